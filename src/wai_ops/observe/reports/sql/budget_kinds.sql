-- The kinds of calls of a slice, as guards tell them apart. Their places in this order are their
-- numbers in budget_calls.
select distinct
    tenant,
    workflow,
    prompt_name || '@' || prompt_version as prompt,
    coalesce(requested_model, model) as model
from model_call
where {where}
order by tenant nulls first, workflow nulls first, prompt nulls first, model nulls first
