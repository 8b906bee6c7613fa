-- The calls of these days, added up by one name at a time. What kind of call each is goes into one
-- number first, so that the many rows are grouped with few sums; the many conditions of the columns
-- are then asked of the few groups. A quarter of the work of asking them of every call.
insert into rollup_day by name
with coded as (
    select
        *,
        (
            is_first::integer
            + is_last::integer * 2
            + is_failed::integer * 4
            + is_denied::integer * 8
            + (contract <> 'complete')::integer * 16
            + coalesce(target = 'local', false)::integer * 32
            + coalesce(gateway_cache_hit, false)::integer * 64
            + (cached_input_tokens is not null)::integer * 128
            + (input_tokens is not null)::integer * 256
            + case sources when 'client+gateway' then 0 when 'gateway only' then 512 else 1024 end
            + case affinity_result when 'hit' then 2048 when 'partial' then 4096 when 'miss' then 6144
                else 0 end
            + case cost_state when 'metered' then 0 when 'confirmed' then 8192
                when 'estimated' then 16384 when 'unknown' then 24576 else 32768 end
            + case waste when 'retried' then 65536 when 'failed run' then 131072
                when 'truncated' then 196608 else 0 end
            + has_usage::integer * 262144
        ) as kind
    from call_fact
    where started_at >= $since and started_at < $last::date + 1 and day in (from rolled)
),

-- All calls are gone over for three groupings only: of workflow, model and route there are few
-- combinations, which are added up once more for each of them.
combined as (
    select
        case
            when grouping(tenant) = 0 then 'tenant'
            when grouping(prompt) = 0 then 'prompt'
            else 'other'
        end as grain,
        day,
        tenant,
        workflow,
        model,
        prompt,
        endpoint,
        gateway_id,
        target,
        kind,
        price_source || ' of ' || price_as_of as price,
        count(*) as calls,
        sum(input_tokens) as input,
        sum(cached_input_tokens) as cached,
        sum(output_tokens) as output,
        sum(reasoning_tokens) as reasoning,
        sum(cost_usd) as cost,
        sum(neurons) as neuron,
        sum(gateway_cost_usd) as gateway_cost,
        sum(cold_prefix_cost_usd) as cold_prefix,
        sum(cache_saved_usd) as saved
    from coded
    group by grouping sets (
        (day, tenant, kind, price_source, price_as_of),
        (day, prompt, kind, price_source, price_as_of),
        (
            day, workflow, model, endpoint, gateway_id, target, kind, price_source, price_as_of
        )
    )
),

added as (
    from combined
    where grain <> 'other'
    union all by name
    select
        case
            when grouping(workflow) = 0 then 'workflow'
            when grouping(model) = 0 then 'model'
            else 'route'
        end as grain,
        day,
        workflow,
        model,
        endpoint,
        gateway_id,
        target,
        kind,
        price,
        sum(calls) as calls,
        sum(input) as input,
        sum(cached) as cached,
        sum(output) as output,
        sum(reasoning) as reasoning,
        sum(cost) as cost,
        sum(neuron) as neuron,
        sum(gateway_cost) as gateway_cost,
        sum(cold_prefix) as cold_prefix,
        sum(saved) as saved
    from combined
    where grain = 'other'
    group by grouping sets (
        (day, workflow, kind, price),
        (day, model, kind, price),
        (day, endpoint, gateway_id, target, kind, price)
    )
),

told as (
    select
        *,
        kind & 1 > 0 as is_first,
        kind & 2 > 0 as is_last,
        kind & 4 > 0 as is_failed,
        kind & 8 > 0 as is_denied,
        kind & 16 > 0 as is_incomplete,
        kind & 32 > 0 as is_local,
        kind & 64 > 0 as is_gateway_hit,
        kind & 128 > 0 as has_cached,
        kind & 256 > 0 as has_input,
        kind & 262144 > 0 as has_usage,
        kind & 1536 as source,
        kind & 6144 as affinity,
        kind & 57344 as state,
        kind & 196608 as waste,
        kind & 57344 in (0, 8192, 32768) as is_known
    from added
)

select
    grain,
    day,
    tenant,
    workflow,
    model,
    prompt,
    endpoint,
    gateway_id,
    target,
    sum(calls) as call_count,
    coalesce(sum(calls) filter (is_first), 0) as run_count,
    coalesce(sum(calls) filter (is_failed), 0) as failed_count,
    coalesce(sum(calls) filter (is_failed and is_last), 0) as failed_run_count,
    coalesce(sum(calls) filter (not is_last), 0) as retry_count,
    coalesce(sum(calls) filter (source = 0), 0) as both_count,
    coalesce(sum(calls) filter (source = 512), 0) as gateway_only_count,
    coalesce(sum(calls) filter (source = 1024), 0) as client_only_count,
    coalesce(sum(calls) filter (is_incomplete), 0) as contract_missing_count,
    coalesce(sum(calls) filter (is_local), 0) as local_count,
    coalesce(sum(calls) filter (is_gateway_hit), 0) as gateway_cache_hit_count,
    coalesce(sum(input), 0) as input_tokens,
    coalesce(sum(input) filter (has_cached), 0) as cache_reported_input_tokens,
    coalesce(sum(calls) filter (has_cached), 0) as cache_reported_count,
    coalesce(sum(cached), 0) as cached_input_tokens,
    coalesce(sum(input) filter (has_cached and not is_gateway_hit), 0) as prefix_input_tokens,
    coalesce(sum(calls) filter (has_cached and not is_gateway_hit), 0) as prefix_count,
    coalesce(sum(cached) filter (not is_gateway_hit), 0) as prefix_cached_tokens,
    coalesce(sum(output), 0) as output_tokens,
    coalesce(sum(reasoning), 0) as reasoning_tokens,
    coalesce(sum(calls) filter (state = 0), 0) as metered_count,
    coalesce(sum(calls) filter (state = 8192), 0) as confirmed_count,
    coalesce(sum(calls) filter (state = 16384), 0) as estimated_count,
    coalesce(sum(calls) filter (state = 24576), 0) as unknown_count,
    coalesce(sum(calls) filter (state = 32768), 0) as none_count,
    coalesce(sum(calls) filter (state = 24576 and has_usage), 0) as unpriced_count,
    coalesce(sum(calls) filter (has_input), 0) as usage_count,
    coalesce(list_sort(list(distinct price) filter (price is not null)), []) as price_sources,
    sum(cost) filter (state = 0) as metered_cost_usd,
    sum(cost) filter (state = 8192) as confirmed_cost_usd,
    sum(cost) filter (state = 16384) as estimated_cost_usd,
    sum(cost) filter (is_known) as cost_usd,
    sum(neuron) filter (is_known) as neurons,
    sum(neuron) filter (is_known and is_local) as local_neurons,
    sum(gateway_cost) as gateway_cost_usd,
    sum(cost) filter (is_known and waste = 65536) as retried_cost_usd,
    sum(cost) filter (is_known and waste = 131072) as failed_run_cost_usd,
    sum(cost) filter (is_known and waste = 196608) as truncated_cost_usd,
    sum(cold_prefix) as cold_prefix_cost_usd,
    sum(saved) as cache_saved_usd,
    coalesce(sum(calls) filter (is_denied), 0) as denied_count,
    coalesce(sum(calls) filter (affinity = 2048), 0) as hit_count,
    coalesce(sum(calls) filter (affinity = 4096), 0) as partial_count,
    coalesce(sum(calls) filter (affinity = 6144), 0) as miss_count
from told
group by grain, day, tenant, workflow, model, prompt, endpoint, gateway_id, target
