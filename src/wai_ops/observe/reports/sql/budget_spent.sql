-- What calls that ended in a window cost, by all that budgets tell them apart by, and by the step of
-- time in which they ended (one step for all where $step_s is zero). A cost counts when its call has
-- ended, as it does with the gateway's own guards. Estimates and unknown costs stand by themselves.
with ended as (
    select
        coalesce(created_at, started_at + to_microseconds(
            (1000 * coalesce(duration_ms, 0))::bigint
        )) as ended_at,
        *
    from model_call
)
select
    case
        when $step_s > 0
            then make_timestamp(
                epoch_us(ended_at) // (1000000 * $step_s::bigint) * (1000000 * $step_s::bigint)
            )
    end as step_at,
    tenant,
    workflow,
    prompt_name || '@' || prompt_version as prompt,
    coalesce(requested_model, model) as model,
    count(*) as call_count,
    coalesce(
        sum(cost_usd) filter (cost_state in ('metered', 'confirmed')), 0
    )::decimal(38, 12) as cost_usd,
    (sum(cost_usd) filter (cost_state = 'estimated'))::decimal(38, 12) as estimated_cost_usd,
    count(*) filter (cost_state = 'unknown') as unknown_cost_count,
    count(*) filter (sources = 'gateway only') as gateway_only_count,
    count(*) filter (target = 'local') as local_count
from ended
where ended_at >= $since and ended_at < $until
group by all
order by step_at, tenant, workflow, prompt, model
