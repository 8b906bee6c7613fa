-- Whether the ledger held rows of the batch already. Those of its times are fewer than the batch, as a
-- rule: a pull reads several windows at once, so that its batches meet like the teeth of two combs.
select exists (
    from numbered_call
    where row_number > $boundary
        and log_id in (
            select log_id
            from numbered_call
            where row_number <= $boundary
                and sources <> 'client only'
                and created_at between $since and $until
        )
)
