-- The outcomes that cannot, and why.
select seq, payload, problems from outcome_checked where problems <> '' order by seq
