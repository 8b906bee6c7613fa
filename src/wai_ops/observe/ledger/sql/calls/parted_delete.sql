-- They go as one row ...
delete from model_call
where sources = 'client+gateway'
    and attempt_id in (select attempt_id from parted)
    and started_at between $since and $until
