-- The calls of a slice that guards are asked about, in the order of their beginnings: when, which kind
-- (see budget_kinds), what they cost, and the most that they could have cost, both in picodollars.
-- Keys that no guard looks at are left out of the kinds ($by_...), so that these are few. Answers of
-- the gateway's own cache, and calls that a guard refused then, are not among them.
with part as (
    select
        epoch_us(started_at) as start_us,
        epoch_us(coalesce(created_at, started_at + to_microseconds(
            (1000 * coalesce(duration_ms, 0))::bigint
        ))) as end_us,
        case when $by_tenant then tenant end as tenant,
        workflow,
        case when $by_prompt then prompt_name || '@' || prompt_version end as prompt,
        case when $by_model then coalesce(requested_model, model) end as model,
        (1000000000000 * coalesce(cost_usd, 0))::bigint as cost,
        (1000000000000 * coalesce(
            greatest(max_output_tokens - output_tokens, 0) * out_usd_per_m / 1000000, 0
        ))::bigint as unused,
        conversation_id
    from model_call
    where {where} and gateway_cache_hit is not true
        and (
            error_type is null
            or error_type not in ('spend_limit', 'policy_denied', 'rate_limited_gateway')
        )
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
    part.cost,
    part.cost + part.unused as worst,
    part.conversation_id
from part
inner join kinds
    on part.tenant is not distinct from kinds.tenant
    and part.workflow is not distinct from kinds.workflow
    and part.prompt is not distinct from kinds.prompt
    and part.model is not distinct from kinds.model
order by part.start_us
