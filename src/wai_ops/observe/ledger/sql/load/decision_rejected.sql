-- The decisions that cannot, and why.
select seq, payload, problems from decision_checked where problems <> '' order by seq
