-- The session events that cannot, and why.
select seq, payload, problems from session_checked where problems <> '' order by seq
