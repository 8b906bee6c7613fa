-- Whether the ledger held gateway rows of these times already.
select exists (
    from numbered_call
    where row_number <= $boundary and ingest_source is not null and created_at between $since and $until
)
