-- How the runs of each group ended and what they cost, and of the whole slice, last. A run stands where
-- its last attempt does. Whole UTC days come from the roll-up, the rest from the table.
with part as (
    select
        {day_group} as name,
        sum(call_count) as request_count,
        sum(call_count - retry_count) as ended_run_count,
        sum(failed_run_count) as failed_run_count,
        sum(cost_usd) as cost_usd,
        sum(unknown_count) as unknown_cost_count,
        sum(both_count) as both_count,
        sum(gateway_only_count) as gateway_only_count,
        sum(client_only_count) as client_only_count,
        sum(contract_missing_count) as contract_missing_count,
        sum(local_count) as local_count
    from rollup_day
    where {day_where}
    group by all
    union all
    select
        {group} as name,
        count(*) as request_count,
        count(*) filter (is_last) as ended_run_count,
        count(*) filter (is_last and is_failed) as failed_run_count,
        sum(known_cost_usd) as cost_usd,
        count(*) filter (cost_state = 'unknown') as unknown_cost_count,
        count(*) filter (sources = 'client+gateway') as both_count,
        count(*) filter (sources = 'gateway only') as gateway_only_count,
        count(*) filter (sources = 'client only') as client_only_count,
        count(*) filter (contract <> 'complete') as contract_missing_count,
        count(*) filter (target = 'local') as local_count
    from call_fact
    where {where}
    group by all
)
select
    name::varchar as name,
    grouping(name) = 1 as is_total,
    sum(request_count)::bigint as request_count,
    sum(ended_run_count)::bigint as ended_run_count,
    sum(failed_run_count)::bigint as failed_run_count,
    sum(cost_usd)::decimal(38, 12) as cost_usd,
    sum(unknown_cost_count)::bigint as unknown_cost_count,
    sum(both_count)::bigint as both_count,
    sum(gateway_only_count)::bigint as gateway_only_count,
    sum(client_only_count)::bigint as client_only_count,
    sum(contract_missing_count)::bigint as contract_missing_count,
    coalesce(sum(local_count), 0)::bigint as local_count
from part
group by grouping sets ((name), ())
having sum(request_count) > 0
order by is_total, ended_run_count desc, name
