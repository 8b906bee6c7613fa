-- Decisions as the ledger has them: of the action one line of text, without its parts.
select decision_id, workflow, verdict, action
from decision
where ($since::timestamp is null or occurred_at >= $since)
    and ($until::timestamp is null or occurred_at < $until)
order by occurred_at, decision_id
