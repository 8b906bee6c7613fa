-- Every decision about one conversation, in order.
select
    occurred_at, turn_index, decision_id, verdict, rule, action, justification, actor,
    policy_version
from decision
where tenant is not distinct from $tenant
    and workflow is not distinct from $workflow
    and conversation_id = $conversation_id
order by occurred_at, turn_index, decision_id
