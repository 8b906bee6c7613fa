-- A rated call says how its conversation went, as of that call. Of two at one instant the worse.
insert into outcome by name
select
    tenant,
    workflow,
    conversation_id,
    case min(feedback) when 1 then 'resolved' else 'failed' end as outcome,
    null as value_usd,
    null as note,
    'feedback' as source,
    created_at as recorded_at
from model_call
where created_at between $since and $until
    and log_id is not null
    and feedback in (1, -1)
    and tenant is not null
    and workflow is not null
    and conversation_id is not null
group by tenant, workflow, conversation_id, created_at
