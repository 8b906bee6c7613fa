-- Cost and tokens per group over [$since, $until), dearest first, and one row for everything, last.
-- $grouping picks the group: workflow, tenant, model, prompt or day (UTC). Runs and ratios cannot be
-- summed over groups, so the last row is computed from the attempts like the others.
with fact as (
    select
        case $grouping
            when 'workflow' then workflow
            when 'tenant' then tenant
            when 'model' then coalesce(served_model, requested_model)
            when 'prompt' then prompt_name || '@' || prompt_version
            when 'day' then strftime(started_at, '%Y-%m-%d')
        end as name,
        *
    from attempt
    where ($since::timestamp is null or started_at >= $since)
        and ($until::timestamp is null or started_at < $until)
)
select
    name,
    grouping(name) = 1 as is_total,
    count(*) as request_count,
    count(distinct run_id) as run_count,
    count(error_type) as failed_count,
    coalesce(sum(input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
    coalesce(sum(output_tokens), 0)::bigint as output_tokens,
    -- Only calls whose model reports cached tokens say anything about the share that was cached.
    sum(cached_input_tokens)
        / nullif(sum(input_tokens) filter (cached_input_tokens is not null), 0)
        as cached_input_ratio,
    sum(cost_usd) filter (cost_state = 'metered') as metered_cost_usd,
    sum(cost_usd) filter (cost_state = 'confirmed') as confirmed_cost_usd,
    sum(cost_usd) filter (cost_state = 'estimated') as estimated_cost_usd,
    count(*) filter (cost_state = 'unknown') as unknown_cost_count,
    -- Null, and not zero, where no call of the group has a known cost.
    sum(cost_usd) filter (cost_state in ('metered', 'confirmed', 'none')) as cost_usd,
    sum(neurons) filter (cost_state in ('metered', 'confirmed', 'none')) as neurons
from fact
group by grouping sets ((name), ())
having count(*) > 0
order by is_total, cost_usd desc nulls last, name
