-- The kinds of calls of a slice, as guards tell them apart. Their places in this order are their
-- numbers in budget_calls.
select distinct
    case when $by_tenant then tenant end as tenant,
    workflow,
    case when $by_prompt then prompt_name || '@' || prompt_version end as prompt,
    case when $by_model then coalesce(requested_model, model) end as model
from model_call
where {where} and gateway_cache_hit is not true
    and (
        error_type is null
        or error_type not in ('spend_limit', 'policy_denied', 'rate_limited_gateway')
    )
order by tenant nulls first, workflow nulls first, prompt nulls first, model nulls first
