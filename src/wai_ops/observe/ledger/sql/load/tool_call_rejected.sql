-- The tool calls that cannot, and why.
select seq, payload, problems from tool_call_checked where problems <> '' order by seq
