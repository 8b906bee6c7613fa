-- Both halves go ...
delete from model_call
where started_at between $since and $until
    and (
        (sources = 'gateway only' and log_id in (select log_id from pair))
        or (sources = 'client only' and attempt_id in (select attempt_id from pair))
    )
