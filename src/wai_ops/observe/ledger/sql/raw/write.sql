-- The gateway's side of new rows, as it was loaded.
copy (
    select * exclude (request_id)
    from model_call
    where rowid > $boundary and sources = 'gateway only'
    order by created_at, log_id
) to $file (format parquet, compression zstd, compression_level 1, row_group_size 20000)
