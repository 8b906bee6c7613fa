-- One row a model request, whatever number of attempts it took: what was asked, what the last attempt
-- used, how it ended, and what all attempts cost. The requests of a conversation stand together, in
-- the order of their time. A cost that is only estimated counts as not known.
with call as (
    select
        *,
        coalesce(requested_model, model) as asked_model,
        first_value(coalesce(requested_model, model)) over attempts as first_model,
        row_number() over attempts as place
    from model_call
    where {where}
    window attempts as (
        partition by request_id
        order by attempt nulls last, step nulls last, started_at, log_id
    )
)
select
    first(started_at order by place) as started_at,
    any_value(tenant) as tenant,
    any_value(workflow) as workflow,
    any_value(conversation_id) as conversation_id,
    min(turn_index) as turn_index,
    any_value(run_id) as run_id,
    any_value(first_model) as first_model,
    -- Of the last attempt on that model: this one decides what is asked next.
    last(error_type order by place) filter (asked_model = first_model) as first_error_type,
    last(asked_model order by place) as model,
    last(error_type order by place) as error_type,
    last(input_tokens order by place) as input_tokens,
    last(cached_input_tokens order by place) as cached_input_tokens,
    last(output_tokens order by place) as output_tokens,
    max(max_output_tokens) as max_output_tokens,
    max(affinity_epoch) as affinity_epoch,
    coalesce(bool_or(gateway_cache_hit), false) as is_gateway_cache_hit,
    count(*) as attempt_count,
    case
        when count(*) filter (cost_state in ('unknown', 'estimated')) = 0
            then sum(coalesce(cost_usd, 0))::decimal(38, 12)
    end as cost_usd
from call
group by request_id
order by tenant, workflow, conversation_id, started_at, run_id
