-- The gateway's side of every row that has one. Of a row that was matched by its log_id it is the row
-- itself: matching it again gives the same.
copy (
    select * exclude (request_id) replace (
        'gateway only' as sources, null as attempt_id, true as is_first, true as is_last
    )
    from model_call
    where ingest_source is not null
        and not exists (
            from matched_by_key as m where m.attempt_id = model_call.attempt_id
        )
    union all by name
    select * replace (null as attempt_id) from matched_by_key
) to $file (format parquet, compression zstd, compression_level 1)
