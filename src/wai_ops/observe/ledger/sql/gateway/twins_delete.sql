-- Of the rows of a batch with one log_id the most complete stays, and of those the last that was read.
delete from stored_call
where rowid in (
    select row_number
    from (
        select
            row_number,
            row_number() over (
                partition by log_id
                order by
                    (gateway_cost_usd is not null)::integer
                    + (input_tokens is not null)::integer desc,
                    ingested_at desc,
                    row_number desc
            ) as place
        from numbered_call
        where row_number > $boundary
    )
    where place > 1
)
