-- Some parts as one; of a row that is in several the one that counts (see twins_delete.sql).
copy (
    select *
    from read_parquet($files, union_by_name = true)
    where created_at >= $since
    qualify row_number() over (
        partition by log_id
        order by
            (gateway_cost_usd is not null)::integer
            + (input_tokens is not null)::integer desc,
            ingested_at desc
    ) = 1
    order by created_at, log_id
) to $file (format parquet, compression zstd, compression_level 1, row_group_size 20000)
