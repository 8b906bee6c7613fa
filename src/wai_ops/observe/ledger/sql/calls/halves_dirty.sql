-- The days that lose a half.
insert into rollup_dirty
select distinct day
from (
    select started_at::date as day from client_half
    union all
    select started_at::date from gateway_side
)
where day not in (from rollup_dirty)
