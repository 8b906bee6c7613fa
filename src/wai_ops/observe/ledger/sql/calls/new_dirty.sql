-- The days of the new rows.
insert into rollup_dirty
select distinct started_at::date as day
from numbered_call
where row_number > $boundary and day not in (from rollup_dirty)
