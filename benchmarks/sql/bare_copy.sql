-- The stored rows once more, as `wai` keeps what it pulled.
copy log_row to $file (
    format parquet,
    parquet_version v2,
    compression zstd,
    compression_level 1,
    row_group_size 122880,
    write_bloom_filter false,
    dictionary_size_limit 4000
)
