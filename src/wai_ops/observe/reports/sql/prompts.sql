-- Calls, money, tokens and failures of each version of a prompt (and group), most calls first, and of
-- everything, last. $prompt: that one prompt alone.
with part as (
    select
        prompt_name as prompt,
        if(prompt_name is null, null, prompt_version) as version,
        {group} as name,
        sources,
        count(*) as request_count,
        count(error_type) as failed_count,
        sum(known_cost_usd) as cost_usd,
        count(*) filter (is_cost_known) as priced_count,
        count(*) filter (cost_state = 'unknown') as unknown_cost_count,
        sum(input_tokens) as input_tokens,
        sum(input_tokens) filter (cached_input_tokens is not null) as cache_reported_input_tokens,
        sum(cached_input_tokens) as cached_input_tokens,
        sum(output_tokens) as output_tokens,
        count(output_tokens) as output_reported_count,
        count(ttft_ms) as timed_count,
        min(started_at) as first_at,
        max(started_at) as last_at,
        count(*) filter (contract <> 'complete') as contract_missing_count,
        count(*) filter (target = 'local') as local_count
    from call_fact
    where ($prompt::varchar is null or prompt_name = $prompt::varchar) and {where}
    group by all
)
select
    prompt,
    version,
    name::varchar as name,
    grouping(prompt) = 1 as is_total,
    sum(request_count)::bigint as request_count,
    sum(failed_count)::bigint as failed_count,
    -- Null, and not zero, where no call of the group has a known cost.
    sum(cost_usd)::decimal(38, 12) as cost_usd,
    sum(priced_count)::bigint as priced_count,
    sum(unknown_cost_count)::bigint as unknown_cost_count,
    coalesce(sum(input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
    -- Only calls whose model reports cached tokens say anything about the share that was cached.
    sum(cached_input_tokens) / nullif(sum(cache_reported_input_tokens), 0) as cached_input_ratio,
    coalesce(sum(output_tokens), 0)::bigint as output_tokens,
    round(sum(output_tokens) / nullif(sum(output_reported_count), 0), 1) as output_tokens_mean,
    sum(timed_count)::bigint as timed_count,
    min(first_at) as first_at,
    max(last_at) as last_at,
    coalesce(sum(request_count) filter (sources = 'client+gateway'), 0)::bigint as both_count,
    coalesce(sum(request_count) filter (sources = 'gateway only'), 0)::bigint as gateway_only_count,
    coalesce(sum(request_count) filter (sources = 'client only'), 0)::bigint as client_only_count,
    sum(contract_missing_count)::bigint as contract_missing_count,
    coalesce(sum(local_count), 0)::bigint as local_count
from part
group by grouping sets ((prompt, version, name), ())
having sum(request_count) > 0
order by is_total, request_count desc, prompt, version, name
