-- What affinity brought per group, most calls first, and one row for everything, last.
select
    ({group})::varchar as name,
    grouping({group}) = 1 as is_total,
    count(*) as request_count,
    count(*) filter (affinity_result = 'hit') as hit_count,
    count(*) filter (affinity_result = 'partial') as partial_count,
    count(*) filter (affinity_result = 'miss') as miss_count,
    count(*) filter (coalesce(affinity_result, 'unknown') not in ('hit', 'partial', 'miss'))
        as unjudged_count,
    count(*) filter (affinity_result = 'hit')
        / nullif(count(*) filter (affinity_result in ('hit', 'partial', 'miss')), 0) as hit_ratio,
    count(*) filter (is_short and affinity_cause = 'cold') as cold_count,
    count(*) filter (is_short and affinity_cause = 'expired') as expired_count,
    count(*) filter (is_short and affinity_cause = 'rotated') as rotated_count,
    count(*) filter (is_short and affinity_cause = 'model_changed') as model_changed_count,
    -- Recorded with the token at which the prefix began to differ: prefix_changed@1234.
    count(*) filter (is_short and starts_with(affinity_cause, 'prefix_changed'))
        as prefix_changed_count,
    count(*) filter (is_short and affinity_cause = 'too_short') as too_short_count,
    count(*) filter (is_short and affinity_cause = 'rerouted_or_evicted') as rerouted_count,
    count(*) filter (is_short and affinity_cause = 'shared_with_others') as shared_count,
    count(*) filter (
        is_short
        and (
            affinity_cause is null
            or not regexp_matches(
                affinity_cause,
                '^(cold|expired|rotated|model_changed|prefix_changed.*|too_short'
                || '|rerouted_or_evicted|shared_with_others)$'
            )
        )
    ) as other_cause_count,
    three_digits(quantile_disc(ttft_ms, 0.5) filter (is_timed and affinity_result = 'hit'))
        as hit_ttft_p50_ms,
    three_digits(quantile_disc(ttft_ms, 0.5) filter (is_timed and affinity_result = 'miss'))
        as miss_ttft_p50_ms,
    sum(cache_saved_usd)::decimal(38, 12) as cache_saved_usd,
    sum(cold_prefix_cost_usd)::decimal(38, 12) as cold_prefix_cost_usd,
    count(*) filter (sources = 'client+gateway') as both_count,
    count(*) filter (sources = 'gateway only') as gateway_only_count,
    count(*) filter (sources = 'client only') as client_only_count,
    count(*) filter (contract <> 'complete') as contract_missing_count,
    count(*) filter (target = 'local') as local_count
from (
    select
        *,
        coalesce(affinity_result in ('miss', 'partial'), false) as is_short,
        error_type is null and gateway_cache_hit is distinct from true as is_timed
    from call_fact
)
where {where}
group by grouping sets (({group}), ())
having count(*) > 0
order by is_total, request_count desc, name
