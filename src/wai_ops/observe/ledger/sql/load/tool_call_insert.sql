-- Load the tool calls that can be read as a whole.
insert into tool_call by name
select * exclude (seq, payload, problems) from tool_call_checked where problems = ''
