-- Every outcome recorded for the conversation, in order; the last one counts.
select recorded_at, outcome, value_usd, note, source
from outcome
where tenant = $tenant and workflow = $workflow and conversation_id = $conversation_id
order by recorded_at, rowid
