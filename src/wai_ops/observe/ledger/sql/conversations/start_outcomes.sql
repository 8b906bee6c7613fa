-- And so is every outcome.
insert into outcome_dirty select distinct tenant, workflow, conversation_id from outcome
