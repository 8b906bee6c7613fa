-- No day has its roll-ups yet.
insert into rollup_dirty select distinct started_at::date from model_call
