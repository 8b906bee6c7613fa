-- How many are new versions, how many say nothing new, and how many brought late fields.
select
    count(*) filter (not (is_same or is_stale)) as replaced_count,
    count(*) filter (is_same or is_stale) as unchanged_count,
    count(*) filter (is_late and not is_stale) as late_field_count
from held
