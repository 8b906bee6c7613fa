-- Whether the ledger held gateway rows of these times already.
select exists (
    from model_call
    where rowid <= $boundary and ingest_source is not null and created_at between $since and $until
)
