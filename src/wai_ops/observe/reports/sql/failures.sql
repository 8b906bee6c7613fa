-- Failed calls per class and group, most first, and one row for all of them, last. Calls that were refused
-- before they were sent stand beside them: they cost nothing.
with part as (
    select
        error_type,
        {day_group} as name,
        sum(call_count) as request_count,
        0 as refused_count,
        sum(failed_run_count) as failed_run_count,
        sum(cost_usd) as cost_usd,
        min(first_at) as first_at,
        max(last_at) as last_at
    from rollup_failure
    where {day_where}
    group by all
    union all
    select
        error_type,
        {group} as name,
        count(*) as request_count,
        0 as refused_count,
        count(*) filter (is_last) as failed_run_count,
        sum(known_cost_usd) as cost_usd,
        min(started_at) as first_at,
        max(started_at) as last_at
    from call_fact
    where error_type is not null and {where}
    group by all
    union all
    select
        error_type,
        {group} as name,
        count(*) as request_count,
        count(*) as refused_count,
        count(*) filter (is_last) as failed_run_count,
        0::decimal(38, 12) as cost_usd,
        min(started_at) as first_at,
        max(started_at) as last_at
    from refused_call
    where {all_where}
    group by all
)
select
    error_type,
    name::varchar as name,
    grouping(error_type) = 1 as is_total,
    sum(request_count)::bigint as request_count,
    sum(refused_count)::bigint as refused_count,
    sum(failed_run_count)::bigint as failed_run_count,
    sum(cost_usd)::decimal(38, 12) as cost_usd,
    min(first_at) as first_at,
    max(last_at) as last_at
from part
group by grouping sets ((error_type, name), ())
having sum(request_count) > 0
order by is_total, request_count desc, error_type, name
