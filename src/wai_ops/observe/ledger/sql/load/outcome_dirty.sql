-- Of these conversations another outcome may count now.
insert into outcome_dirty by name
select tenant, workflow, conversation_id from outcome_checked where problems = ''
