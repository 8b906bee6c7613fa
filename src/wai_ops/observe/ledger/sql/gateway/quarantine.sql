-- Lines that cannot be read.
insert into ingest_quarantine
select
    unnest($origins::varchar[]),
    unnest($lines::bigint[]),
    unnest($reasons::varchar[]),
    unnest($contents::varchar[]),
    $at_utc
