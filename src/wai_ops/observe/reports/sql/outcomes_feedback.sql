-- The gateway's last feedback of each conversation with calls in [$since, $until), unless somebody
-- recorded or imported an outcome for it.
select
    tenant,
    workflow,
    conversation_id,
    arg_max(feedback, (started_at, coalesce(log_id, ''))) as feedback,
    max(started_at) as given_at
from model_call as c
where feedback in (-1, 1)
    and tenant is not null
    and workflow is not null
    and conversation_id is not null
    and ($since::timestamp is null or started_at >= $since)
    and ($until::timestamp is null or started_at < $until)
    and not exists (
        from outcome as o
        where o.tenant = c.tenant
            and o.workflow = c.workflow
            and o.conversation_id = c.conversation_id
            and o.source != 'feedback'
    )
group by tenant, workflow, conversation_id
order by tenant, workflow, conversation_id
