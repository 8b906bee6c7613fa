-- Of these conversations another outcome may count now.
insert into outcome_dirty by name
select tenant, workflow, conversation_id
from outcome
where source = 'feedback' and recorded_at between $since and $until
