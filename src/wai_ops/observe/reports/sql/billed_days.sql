-- What the ledger knows of Workers AI by the UTC day in which calls ended: neurons and list prices,
-- what of it is uncertain, and what ended on another day than it began.
with ended as (
    select
        coalesce(created_at, started_at + to_microseconds(
            (1000 * coalesce(duration_ms, 0))::bigint
        )) as ended_at,
        *
    from model_call
    where coalesce(provider, 'workers-ai') = 'workers-ai'
        and not coalesce(gateway_cache_hit, false)
        and (coalesce(target, 'cloudflare') = 'local') = $is_local
)
select
    ended_at::date as on_day,
    count(*) as call_count,
    coalesce(
        sum(neurons) filter (cost_state in ('metered', 'confirmed')), 0
    )::decimal(38, 12) as neurons,
    coalesce(
        sum(cost_usd) filter (cost_state in ('metered', 'confirmed')), 0
    )::decimal(38, 12) as list_usd,
    coalesce(sum(neurons) filter (cost_state = 'estimated'), 0)::decimal(38, 12)
        as estimated_neurons,
    coalesce(
        sum(neurons) filter (cost_state in ('metered', 'confirmed') and wholesale), 0
    )::decimal(38, 12) as prepaid_neurons,
    coalesce(
        sum(cost_usd) filter (cost_state in ('metered', 'confirmed') and wholesale), 0
    )::decimal(38, 12) as prepaid_usd,
    coalesce(
        sum(neurons) filter (started_at::date <> ended_at::date), 0
    )::decimal(38, 12) as crossing_neurons,
    count(*) filter (
        cost_state = 'unknown'
        or (cost_state in ('metered', 'confirmed') and neurons is null)
    ) as unknown_count,
    count(*) filter (sources = 'client only' and gateway_id is not null) as client_only_count
from ended
where ended_at >= $since and ended_at < $until
group by on_day
order by on_day
