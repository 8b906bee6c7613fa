-- The tool calls of the turns that a slice holds.
select tool_call.*
from tool_call
where exists (
    select 1
    from (from model_call where {where}) as call
    where call.conversation_id = tool_call.conversation_id
        and call.tenant is not distinct from tool_call.tenant
        and call.workflow is not distinct from tool_call.workflow
        and call.turn_index is not distinct from tool_call.turn_index
)
order by tool_call.started_at, tool_call.tool_call_id, tool_call.tool_name
