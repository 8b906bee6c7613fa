-- Of the rows of a batch with one log_id the most complete stays, and of those the last that was read.
delete from model_call
where rowid in (
    select row_number
    from (
        select
            rowid as row_number,
            row_number() over (
                partition by log_id
                order by
                    (gateway_cost_usd is not null)::integer
                    + (coalesce(usage_input_tokens, gateway_input_tokens) is not null)::integer desc,
                    ingested_at desc,
                    rowid desc
            ) as place
        from model_call
        where rowid > $boundary
    )
    where place > 1
)
