-- Every tool call of one conversation, in order.
select
    started_at, turn_index, tool_name, tool_family, error_type, duration_ms, output_tokens,
    decision_id, source
from tool_call
where tenant is not distinct from $tenant
    and workflow is not distinct from $workflow
    and conversation_id = $conversation_id
order by started_at, turn_index, tool_name, tool_call_id
