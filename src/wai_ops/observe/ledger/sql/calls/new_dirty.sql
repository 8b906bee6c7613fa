-- The days of the new rows.
insert into rollup_dirty
select distinct started_at::date as day
from stored_call
where rowid > $boundary and day not in (from rollup_dirty)
