-- The days of the rows that are replaced.
insert into rollup_dirty
select distinct old_day
from held
where not (is_same or is_stale) and old_day not in (from rollup_dirty)
