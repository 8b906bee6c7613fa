-- What the gateway said, and the rows with it.
delete from stored_call
where rowid in (
    select row_number from numbered_call where created_at < $before and ingest_source is not null
)
