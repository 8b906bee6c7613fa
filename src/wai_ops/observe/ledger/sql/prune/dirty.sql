-- Their days.
insert into rollup_dirty
select distinct started_at::date as day
from model_call
where created_at < $before and ingest_source is not null and day not in (from rollup_dirty)
