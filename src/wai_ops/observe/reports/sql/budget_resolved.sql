-- The conversations that were resolved.
select distinct tenant, workflow, conversation_id
from last_outcome
where outcome = 'resolved'
