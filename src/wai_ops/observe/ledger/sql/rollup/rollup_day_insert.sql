-- The calls of these days, added up.
insert into rollup_day by name
select
    case
        when grouping(tenant) = 0 then 'tenant'
        when grouping(workflow) = 0 then 'workflow'
        when grouping(model) = 0 then 'model'
        when grouping(prompt) = 0 then 'prompt'
        else 'route'
    end as grain,
    day,
    tenant,
    workflow,
    model,
    prompt,
    endpoint,
    gateway_id,
    target,
    count(*) as call_count,
    count(*) filter (is_first) as run_count,
    count(error_type) as failed_count,
    count(error_type) filter (is_last) as failed_run_count,
    count(*) filter (not is_last) as retry_count,
    count(*) filter (sources = 'client+gateway') as both_count,
    count(*) filter (sources = 'gateway only') as gateway_only_count,
    count(*) filter (sources = 'client only') as client_only_count,
    count(*) filter (contract <> 'complete') as contract_missing_count,
    count(*) filter (target = 'local') as local_count,
    count(*) filter (gateway_cache_hit) as gateway_cache_hit_count,
    coalesce(sum(input_tokens), 0) as input_tokens,
    coalesce(sum(input_tokens) filter (cached_input_tokens is not null), 0)
        as cache_reported_input_tokens,
    count(cached_input_tokens) as cache_reported_count,
    coalesce(sum(cached_input_tokens), 0) as cached_input_tokens,
    coalesce(
        sum(input_tokens) filter (
            cached_input_tokens is not null and gateway_cache_hit is distinct from true
        ),
        0
    ) as prefix_input_tokens,
    count(cached_input_tokens) filter (gateway_cache_hit is distinct from true) as prefix_count,
    coalesce(
        sum(cached_input_tokens) filter (gateway_cache_hit is distinct from true), 0
    ) as prefix_cached_tokens,
    coalesce(sum(output_tokens), 0) as output_tokens,
    coalesce(sum(reasoning_tokens), 0) as reasoning_tokens,
    count(*) filter (cost_state = 'estimated') as estimated_count,
    count(*) filter (cost_state = 'metered') as metered_count,
    count(*) filter (cost_state = 'confirmed') as confirmed_count,
    count(*) filter (cost_state = 'unknown') as unknown_count,
    count(*) filter (cost_state = 'none') as none_count,
    count(*) filter (cost_state = 'unknown' and input_tokens is not null) as unpriced_count,
    count(input_tokens) as usage_count,
    coalesce(list_sort(list(distinct price_source || ' of ' || price_as_of) filter (
        price_as_of is not null
    )), []) as price_sources,
    sum(cost_usd) filter (cost_state = 'estimated') as estimated_cost_usd,
    sum(cost_usd) filter (cost_state = 'metered') as metered_cost_usd,
    sum(cost_usd) filter (cost_state = 'confirmed') as confirmed_cost_usd,
    sum(known_cost_usd) as cost_usd,
    sum(known_neurons) as neurons,
    sum(known_neurons) filter (target = 'local') as local_neurons,
    sum(gateway_cost_usd) as gateway_cost_usd,
    sum(known_cost_usd) filter (waste = 'retried') as retried_cost_usd,
    sum(known_cost_usd) filter (waste = 'failed run') as failed_run_cost_usd,
    sum(known_cost_usd) filter (waste = 'truncated') as truncated_cost_usd,
    sum(cold_prefix_cost_usd) as cold_prefix_cost_usd,
    sum(cache_saved_usd) as cache_saved_usd,
    count(*) filter (is_denied) as denied_count,
    count(*) filter (affinity_result = 'hit') as hit_count,
    count(*) filter (affinity_result = 'partial') as partial_count,
    count(*) filter (affinity_result = 'miss') as miss_count
from call_fact
where started_at >= $since and started_at < $last::date + 1 and day in (from rolled)
group by grouping sets (
    (day, tenant),
    (day, workflow),
    (day, model),
    (day, prompt),
    (day, endpoint, gateway_id, target)
)
