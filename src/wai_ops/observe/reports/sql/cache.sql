-- Both caches per group, most input first, and one row for everything, last. The prefix cache is
-- measured over the calls that report cached tokens and reached a model; what the gateway answered
-- from its own cache stands apart.
with part as (
    select
        {day_group} as name,
        sum(call_count) as request_count,
        sum(prefix_count) as reported_count,
        sum(prefix_input_tokens) as input_tokens,
        sum(prefix_cached_tokens) as cached_input_tokens,
        sum(cache_saved_usd) as cache_saved_usd,
        sum(cold_prefix_cost_usd) as cold_prefix_cost_usd,
        sum(gateway_cache_hit_count) as gateway_cache_hit_count,
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
        count(cached_input_tokens) filter (gateway_cache_hit is distinct from true)
            as reported_count,
        sum(input_tokens) filter (
            cached_input_tokens is not null and gateway_cache_hit is distinct from true
        ) as input_tokens,
        sum(cached_input_tokens) filter (gateway_cache_hit is distinct from true)
            as cached_input_tokens,
        sum(cache_saved_usd) as cache_saved_usd,
        sum(cold_prefix_cost_usd) as cold_prefix_cost_usd,
        count(*) filter (gateway_cache_hit) as gateway_cache_hit_count,
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
    sum(reported_count)::bigint as reported_count,
    coalesce(sum(input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
    sum(cached_input_tokens) / nullif(sum(input_tokens), 0) as cached_input_ratio,
    sum(cache_saved_usd)::decimal(38, 12) as cache_saved_usd,
    sum(cold_prefix_cost_usd)::decimal(38, 12) as cold_prefix_cost_usd,
    sum(gateway_cache_hit_count)::bigint as gateway_cache_hit_count,
    sum(gateway_cache_hit_count) / sum(request_count) as gateway_cache_hit_ratio,
    sum(both_count)::bigint as both_count,
    sum(gateway_only_count)::bigint as gateway_only_count,
    sum(client_only_count)::bigint as client_only_count,
    sum(contract_missing_count)::bigint as contract_missing_count,
    coalesce(sum(local_count), 0)::bigint as local_count
from part
group by grouping sets ((name), ())
having sum(request_count) > 0
order by is_total, input_tokens desc, name
