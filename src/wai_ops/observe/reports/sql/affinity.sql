-- What affinity brought per group, most calls first, and one row for everything, last. The many calls
-- are counted by what kind they are, and timed by how long the first token took, in as few groups as
-- there are kinds and times; what the columns ask is asked of those.
with kind as (
    select
        {group} as name,
        case when affinity_result in ('hit', 'partial', 'miss') then affinity_result end as result,
        case
            when affinity_result in ('miss', 'partial')
            then case
                -- Recorded with the token at which the prefix began to differ: prefix_changed@1234.
                when starts_with(affinity_cause, 'prefix_changed') then 'prefix_changed'
                when affinity_cause in (
                    'cold', 'expired', 'rotated', 'model_changed', 'too_short',
                    'rerouted_or_evicted', 'shared_with_others', 'checkpoint'
                ) then affinity_cause
                else 'other'
            end
        end as cause,
        sources,
        contract,
        target,
        count(*) as calls,
        sum(cache_saved_usd) as saved_usd,
        sum(cold_prefix_cost_usd) as cold_usd
    from call_fact
    where {where}
    group by all
),

-- Rounding is monotone: the median of the rounded times is the rounded median.
timed as (
    select
        {group} as name,
        affinity_result as result,
        three_digits(ttft_ms) as ttft_ms,
        count(*) as calls
    from model_call
    where affinity_result in ('hit', 'miss')
        and ttft_ms is not null
        and error_type is null
        and gateway_cache_hit is distinct from true
        and {where}
    group by all
),

histogram as (
    select name, grouping(name) = 1 as is_total, result, ttft_ms, sum(calls) as calls
    from timed
    group by grouping sets ((name, result, ttft_ms), (result, ttft_ms))
),

median as (
    select
        name,
        is_total,
        min(ttft_ms) filter (result = 'hit' and rank_count * 2 >= call_count) as hit_ms,
        min(ttft_ms) filter (result = 'miss' and rank_count * 2 >= call_count) as miss_ms
    from (
        select
            *,
            sum(calls) over (partition by name, is_total, result order by ttft_ms) as rank_count,
            sum(calls) over (partition by name, is_total, result) as call_count
        from histogram
    )
    group by name, is_total
),

counted as (
    select
        name,
        grouping(name) = 1 as is_total,
        sum(calls) as request_count,
        coalesce(sum(calls) filter (result = 'hit'), 0) as hit_count,
        coalesce(sum(calls) filter (result = 'partial'), 0) as partial_count,
        coalesce(sum(calls) filter (result = 'miss'), 0) as miss_count,
        coalesce(sum(calls) filter (result is null), 0) as unjudged_count,
        coalesce(sum(calls) filter (cause = 'cold'), 0) as cold_count,
        coalesce(sum(calls) filter (cause = 'expired'), 0) as expired_count,
        coalesce(sum(calls) filter (cause = 'rotated'), 0) as rotated_count,
        coalesce(sum(calls) filter (cause = 'model_changed'), 0) as model_changed_count,
        coalesce(sum(calls) filter (cause = 'prefix_changed'), 0) as prefix_changed_count,
        coalesce(sum(calls) filter (cause = 'checkpoint'), 0) as checkpoint_count,
        coalesce(sum(calls) filter (cause = 'too_short'), 0) as too_short_count,
        coalesce(sum(calls) filter (cause = 'rerouted_or_evicted'), 0) as rerouted_count,
        coalesce(sum(calls) filter (cause = 'shared_with_others'), 0) as shared_count,
        coalesce(sum(calls) filter (cause = 'other'), 0) as other_cause_count,
        sum(saved_usd) as cache_saved_usd,
        sum(cold_usd) as cold_prefix_cost_usd,
        coalesce(sum(calls) filter (sources = 'client+gateway'), 0) as both_count,
        coalesce(sum(calls) filter (sources = 'gateway only'), 0) as gateway_only_count,
        coalesce(sum(calls) filter (sources = 'client only'), 0) as client_only_count,
        coalesce(sum(calls) filter (contract <> 'complete'), 0) as contract_missing_count,
        coalesce(sum(calls) filter (target = 'local'), 0) as local_count
    from kind
    group by grouping sets ((name), ())
    having sum(calls) > 0
)

select
    c.name::varchar as name,
    c.is_total,
    c.request_count::bigint as request_count,
    c.hit_count::bigint as hit_count,
    c.partial_count::bigint as partial_count,
    c.miss_count::bigint as miss_count,
    c.unjudged_count::bigint as unjudged_count,
    c.hit_count / nullif(c.hit_count + c.partial_count + c.miss_count, 0) as hit_ratio,
    c.cold_count::bigint as cold_count,
    c.expired_count::bigint as expired_count,
    c.rotated_count::bigint as rotated_count,
    c.model_changed_count::bigint as model_changed_count,
    c.prefix_changed_count::bigint as prefix_changed_count,
    c.checkpoint_count::bigint as checkpoint_count,
    c.too_short_count::bigint as too_short_count,
    c.rerouted_count::bigint as rerouted_count,
    c.shared_count::bigint as shared_count,
    c.other_cause_count::bigint as other_cause_count,
    m.hit_ms as hit_ttft_p50_ms,
    m.miss_ms as miss_ttft_p50_ms,
    c.cache_saved_usd::decimal(38, 12) as cache_saved_usd,
    c.cold_prefix_cost_usd::decimal(38, 12) as cold_prefix_cost_usd,
    c.both_count::bigint as both_count,
    c.gateway_only_count::bigint as gateway_only_count,
    c.client_only_count::bigint as client_only_count,
    c.contract_missing_count::bigint as contract_missing_count,
    c.local_count::bigint as local_count
from counted as c
left join median as m on m.is_total = c.is_total and m.name is not distinct from c.name
order by c.is_total, c.request_count desc, name
