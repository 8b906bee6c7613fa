-- Whether the ledger held gateway rows of these times already.
select exists (
    from numbered_call
    where row_number <= $boundary and sources <> 'client only' and created_at between $since and $until
)
