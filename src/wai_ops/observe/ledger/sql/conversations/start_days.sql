-- From now on they are kept: every day is new to them.
insert into conversation_stale select distinct started_at::date from model_call
