-- Cost, tokens and waste per group, dearest first, and one row for everything, last. Whole UTC days
-- come from the roll-up, the rest from the table; both add up the same expressions (call_fact).
with part as (
    select
        {day_group} as name,
        sum(call_count) as request_count,
        sum(run_count) as run_count,
        sum(failed_count) as failed_count,
        sum(input_tokens) as input_tokens,
        sum(cache_reported_input_tokens) as cache_reported_input_tokens,
        sum(cached_input_tokens) as cached_input_tokens,
        sum(output_tokens) as output_tokens,
        sum(metered_cost_usd) as metered_cost_usd,
        sum(confirmed_cost_usd) as confirmed_cost_usd,
        sum(estimated_cost_usd) as estimated_cost_usd,
        sum(unknown_count) as unknown_cost_count,
        sum(cost_usd) as cost_usd,
        sum(neurons) as neurons,
        sum(retried_cost_usd) as retried_cost_usd,
        sum(failed_run_cost_usd) as failed_run_cost_usd,
        sum(truncated_cost_usd) as truncated_cost_usd,
        sum(cold_prefix_cost_usd) as cold_prefix_cost_usd,
        sum(denied_count) as denied_count,
        sum(both_count) as both_count,
        sum(gateway_only_count) as gateway_only_count,
        sum(client_only_count) as client_only_count,
        sum(contract_missing_count) as contract_missing_count,
        sum(estimated_count) as estimated_count,
        sum(unpriced_count) as unpriced_count,
        sum(usage_count) as usage_count,
        sum(cache_reported_count) as cache_reported_count,
        sum(local_count) as local_count
    from rollup_day
    where {day_where}
    group by all
    union all
    select
        {group} as name,
        count(*) as request_count,
        count(*) filter (is_first) as run_count,
        count(error_type) as failed_count,
        sum(input_tokens) as input_tokens,
        sum(input_tokens) filter (cached_input_tokens is not null) as cache_reported_input_tokens,
        sum(cached_input_tokens) as cached_input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_usd) filter (cost_state = 'metered') as metered_cost_usd,
        sum(cost_usd) filter (cost_state = 'confirmed') as confirmed_cost_usd,
        sum(cost_usd) filter (cost_state = 'estimated') as estimated_cost_usd,
        count(*) filter (cost_state = 'unknown') as unknown_cost_count,
        sum(known_cost_usd) as cost_usd,
        sum(known_neurons) as neurons,
        sum(known_cost_usd) filter (waste = 'retried') as retried_cost_usd,
        sum(known_cost_usd) filter (waste = 'failed run') as failed_run_cost_usd,
        sum(known_cost_usd) filter (waste = 'truncated') as truncated_cost_usd,
        sum(cold_prefix_cost_usd) as cold_prefix_cost_usd,
        count(*) filter (is_denied) as denied_count,
        count(*) filter (sources = 'client+gateway') as both_count,
        count(*) filter (sources = 'gateway only') as gateway_only_count,
        count(*) filter (sources = 'client only') as client_only_count,
        count(*) filter (contract <> 'complete') as contract_missing_count,
        count(*) filter (cost_state = 'estimated') as estimated_count,
        count(*) filter (cost_state = 'unknown' and has_usage) as unpriced_count,
        count(input_tokens) as usage_count,
        count(cached_input_tokens) as cache_reported_count,
        count(*) filter (target = 'local') as local_count
    from call_fact
    where {where}
    group by all
)
select
    name::varchar as name,
    grouping(name) = 1 as is_total,
    sum(request_count)::bigint as request_count,
    sum(run_count)::bigint as run_count,
    sum(failed_count)::bigint as failed_count,
    coalesce(sum(input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
    coalesce(sum(output_tokens), 0)::bigint as output_tokens,
    -- Only calls whose model reports cached tokens say anything about the share that was cached.
    sum(cached_input_tokens) / nullif(sum(cache_reported_input_tokens), 0) as cached_input_ratio,
    sum(metered_cost_usd)::decimal(38, 12) as metered_cost_usd,
    sum(confirmed_cost_usd)::decimal(38, 12) as confirmed_cost_usd,
    sum(estimated_cost_usd)::decimal(38, 12) as estimated_cost_usd,
    sum(unknown_cost_count)::bigint as unknown_cost_count,
    -- Null, and not zero, where no call of the group has a known cost.
    sum(cost_usd)::decimal(38, 12) as cost_usd,
    sum(neurons)::decimal(38, 12) as neurons,
    sum(retried_cost_usd)::decimal(38, 12) as retried_cost_usd,
    sum(failed_run_cost_usd)::decimal(38, 12) as failed_run_cost_usd,
    sum(truncated_cost_usd)::decimal(38, 12) as truncated_cost_usd,
    sum(cold_prefix_cost_usd)::decimal(38, 12) as cold_prefix_cost_usd,
    sum(denied_count)::bigint as denied_count,
    sum(both_count)::bigint as both_count,
    sum(gateway_only_count)::bigint as gateway_only_count,
    sum(client_only_count)::bigint as client_only_count,
    sum(contract_missing_count)::bigint as contract_missing_count,
    sum(estimated_count)::bigint as estimated_count,
    sum(unpriced_count)::bigint as unpriced_count,
    sum(usage_count)::bigint as usage_count,
    sum(cache_reported_count)::bigint as cache_reported_count,
    coalesce(sum(local_count), 0)::bigint as local_count
from part
group by grouping sets ((name), ())
having sum(request_count) > 0
order by is_total, cost_usd desc nulls last, name
