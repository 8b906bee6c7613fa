-- Every epoch that the conversation's affinity session began, in order.
select occurred_at, epoch, reason
from session_event
where tenant = $tenant and workflow = $workflow and conversation_id = $conversation_id
order by occurred_at, epoch
