-- How often each duration occurred, by day.
create table log_duration as
select created_at::date as day, workflow, model, duration, count(*) as calls
from log_row
group by grouping sets ((day, workflow, duration), (day, model, duration))
