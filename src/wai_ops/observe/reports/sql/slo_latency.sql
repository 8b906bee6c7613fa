-- Quantiles of TTFT and duration by group and over all, by nearest rank: the smallest value with at
-- least that share of the values at or below it, in three significant digits. Histograms of whole UTC
-- days are merged with those of the edges, so that nothing is approximated.
with part as (
    select {day_group} as name, measure, value_ms, sum(call_count) as call_count
    from rollup_latency
    where measure in ('ttft', 'duration') and {day_where}
    group by all
    union all
    select {group} as name, 'duration' as measure, three_digits(duration_ms) as value_ms, count(*)
    from call_fact
    where duration_ms is not null and {where}
    group by all
    union all
    select
        {group} as name,
        'ttft' as measure,
        three_digits(case when $is_gateway_ttft then gateway_latency_ms else ttft_ms end)
            as value_ms,
        count(*)
    from call_fact
    where case when $is_gateway_ttft then gateway_latency_ms else ttft_ms end is not null
        and {where}
    group by all
),

histogram as (
    select
        name::varchar as name,
        grouping(name) = 1 as is_total,
        measure,
        value_ms,
        sum(call_count) as call_count
    from part
    group by grouping sets ((name, measure, value_ms), (measure, value_ms))
),

ranked as (
    select
        name,
        is_total,
        measure,
        value_ms,
        sum(call_count) over (
            partition by name, is_total, measure order by value_ms
        ) as rank_count,
        sum(call_count) over (partition by name, is_total, measure) as measured_count
    from histogram
)
select
    name,
    is_total,
    measure,
    any_value(measured_count)::bigint as measured_count,
    min(value_ms) filter (rank_count * 100 >= measured_count * 50) as p50_ms,
    min(value_ms) filter (rank_count * 100 >= measured_count * 95) as p95_ms,
    min(value_ms) filter (rank_count * 100 >= measured_count * 99) as p99_ms
from ranked
group by name, is_total, measure
order by is_total, name, measure
