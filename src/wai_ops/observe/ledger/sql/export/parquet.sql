-- Every attempt with the ledger's own types.
copy (
    from attempt order by started_at, attempt_id
) to $file (format parquet, compression zstd)
