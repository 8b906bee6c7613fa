insert into redaction by name
select
    $origin as origin,
    unnest($kind::varchar[]) as kind,
    unnest($removed_count::bigint[]) as removed_count,
    $redacted_at as redacted_at
