-- The days whose roll-ups these attempts change.
insert into rollup_dirty
select distinct started_at::date from arrived
except
from rollup_dirty
