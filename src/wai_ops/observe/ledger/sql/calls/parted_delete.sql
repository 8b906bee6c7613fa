-- They go as one row ...
delete from stored_call
where rowid in (
    select row_number
    from numbered_call
    where sources = 'client+gateway'
        and attempt_id in (select attempt_id from parted)
        and started_at between $since and $until
)
