-- Whether the ledger held rows of the batch already. Those of its times are fewer than the batch, as a
-- rule: a pull reads several windows at once, so that its batches meet like the teeth of two combs.
select exists (
    from stored_call
    where rowid > $boundary
        and log_id in (
            select log_id
            from stored_call
            where rowid <= $boundary
                and not starts_with(common, 'client only' || chr(31))
                and created_at between $since and $until
        )
)
