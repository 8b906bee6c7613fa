-- The calls of a slice in the order of their beginnings: when, which kind (see budget_kinds), what
-- they cost, and the most that they could have cost, both in picodollars. `state` is that of
-- observe/reports/budget_calls.py: what a replay can make of the call.
with part as (
    select
        epoch_us(started_at) as start_us,
        epoch_us(coalesce(created_at, started_at + to_microseconds(
            (1000 * coalesce(duration_ms, 0))::bigint
        ))) as end_us,
        tenant,
        workflow,
        prompt_name || '@' || prompt_version as prompt,
        coalesce(requested_model, model) as model,
        cost_usd,
        cost_state,
        max_output_tokens,
        output_tokens,
        out_usd_per_m,
        gateway_cache_hit,
        error_type,
        conversation_id
    from model_call
    where {where}
),

kinds as (
    select
        *,
        row_number() over (
            order by tenant nulls first, workflow nulls first, prompt nulls first, model nulls first
        ) - 1 as kind
    from (select distinct tenant, workflow, prompt, model from part)
)

select
    part.start_us,
    greatest(part.end_us, part.start_us) as end_us,
    kinds.kind,
    (1000000000000 * coalesce(part.cost_usd, 0))::bigint as cost,
    (1000000000000 * (
        coalesce(part.cost_usd, 0)
        + coalesce(greatest(part.max_output_tokens - part.output_tokens, 0), 0)
            * coalesce(part.out_usd_per_m, 0) / 1000000
    ))::bigint as worst,
    case
        when part.gateway_cache_hit then 2
        when part.error_type in ('spend_limit', 'policy_denied', 'rate_limited_gateway') then 3
        when part.cost_state in ('unknown', 'estimated') then 1
        else 0
    end as state,
    part.conversation_id
from part
inner join kinds
    on part.tenant is not distinct from kinds.tenant
    and part.workflow is not distinct from kinds.workflow
    and part.prompt is not distinct from kinds.prompt
    and part.model is not distinct from kinds.model
order by part.start_us
