-- Conversations whose $measure (cost or tokens) is above twice the p95 of their tenant and above the p99
-- of all, the largest first. Quantiles by nearest rank, not rounded. What they are held against in the
-- other columns is the median of the tenant's conversations.
with conversation as (
    select
        tenant,
        workflow,
        conversation_id,
        min(started_at) as started_at,
        count(*) as call_count,
        count(distinct turn_index) as turn_count,
        count(*) filter (not is_last) as retry_count,
        count(error_type) as failed_count,
        coalesce(sum(input_tokens), 0)::bigint as input_tokens,
        coalesce(sum(output_tokens), 0)::bigint as output_tokens,
        sum(cached_input_tokens)
            / nullif(sum(input_tokens) filter (cached_input_tokens is not null), 0)
            as cached_input_ratio,
        sum(known_cost_usd)::decimal(38, 12) as cost_usd,
        count(*) filter (cost_state = 'unknown') as unknown_cost_count,
        case
            when $measure = 'tokens'
            then coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0)
            else sum(known_cost_usd)
        end::decimal(38, 12) as measured
    from call_fact
    where conversation_id is not null and {where}
    group by tenant, workflow, conversation_id
),

of_tenant as (
    select
        tenant,
        count(measured) as tenant_conversation_count,
        quantile_disc(measured, 0.95) as tenant_p95,
        quantile_disc(turn_count, 0.5) as usual_turn_count,
        quantile_disc(retry_count, 0.5) as usual_retry_count,
        quantile_disc((input_tokens + output_tokens) / call_count, 0.5) as usual_call_tokens,
        quantile_disc(cached_input_ratio, 0.5) as usual_cached_input_ratio
    from conversation
    group by tenant
),

of_all as (
    select
        quantile_disc(measured, 0.99) as overall_p99
    from conversation
)
select
    c.* exclude (measured),
    measured::decimal(38, 12) as measured,
    tenant_conversation_count,
    tenant_p95,
    overall_p99,
    usual_turn_count,
    usual_retry_count,
    usual_call_tokens,
    usual_cached_input_ratio
from conversation as c
inner join of_tenant as t on c.tenant is not distinct from t.tenant
cross join of_all
where measured > 2 * tenant_p95 and measured > overall_p99
order by measured desc, tenant, workflow, conversation_id
