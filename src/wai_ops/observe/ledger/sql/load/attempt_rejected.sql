-- The attempts that cannot, and why.
select seq, payload, problems from attempt_checked where problems <> '' order by seq
