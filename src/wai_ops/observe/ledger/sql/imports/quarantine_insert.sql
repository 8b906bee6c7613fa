-- Keep lines that could not be read.
insert into ingest_quarantine by name
select
    $origin as origin,
    unnest($lines) as line,
    unnest($reasons) as reason,
    unnest($contents) as content,
    $at_utc as quarantined_at
