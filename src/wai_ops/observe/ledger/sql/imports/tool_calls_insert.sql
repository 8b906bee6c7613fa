-- One row a call, the last of those with one id.
insert into tool_call by name
select distinct on (tool_call_id) * from imported_tool_call order by tool_call_id, started_at desc
