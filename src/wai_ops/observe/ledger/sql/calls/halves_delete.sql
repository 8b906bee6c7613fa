-- Both halves go ...
delete from stored_call
where rowid in (
    select row_number
    from numbered_call
    where started_at between $since and $until
        and (
            (sources = 'gateway only' and log_id in (select log_id from pair))
            or (sources = 'client only' and attempt_id in (select attempt_id from pair))
        )
)
