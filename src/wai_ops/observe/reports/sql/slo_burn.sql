-- Runs and failed runs of each group, and of the whole slice, in the windows that end where it does.
with fact as (
    select {group} as name, is_failed, started_at
    from call_fact
    where is_last and {where}
)
select
    name::varchar as name,
    grouping(name) = 1 as is_total,
    count(*) filter (started_at >= $since_1h) as run_1h_count,
    count(*) filter (is_failed and started_at >= $since_1h) as failed_1h_count,
    count(*) filter (started_at >= $since_6h) as run_6h_count,
    count(*) filter (is_failed and started_at >= $since_6h) as failed_6h_count,
    count(*) filter (started_at >= $since_1d) as run_1d_count,
    count(*) filter (is_failed and started_at >= $since_1d) as failed_1d_count,
    count(*) as run_3d_count,
    count(*) filter (is_failed) as failed_3d_count
from fact
group by grouping sets ((name), ())
order by is_total, name
