-- The same call imported again replaces the earlier one.
delete from tool_call
where source = 'otlp' and tool_call_id in (select tool_call_id from imported_tool_call)
