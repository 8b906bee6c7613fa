-- What redaction removed from what an import keeps.
insert into redaction by name
select
    $origin as origin,
    unnest($kinds) as kind,
    unnest($counts) as removed_count,
    $at_utc as redacted_at
