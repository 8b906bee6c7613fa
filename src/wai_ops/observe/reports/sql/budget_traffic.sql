-- Calls of a slice by the keys that budgets know them by: how many, what they cost, and what no guard
-- sees of them. Calls that a guard refused are among them: they were to be counted.
select
    tenant,
    workflow,
    prompt_name || '@' || prompt_version as prompt,
    coalesce(requested_model, model) as model,
    count(*) as call_count,
    sum(coalesce(cost_usd, 0))::decimal(38, 12) as cost_usd,
    count(*) filter (error_type is null and in_usd_per_m is null) as unpriced_count,
    count(*) filter (coalesce(gateway_cache_hit, false)) as cached_count,
    count(*) filter (sources = 'gateway only') as foreign_count
from model_call
where {where}
group by all
order by tenant nulls first, workflow nulls first, prompt nulls first, model nulls first
