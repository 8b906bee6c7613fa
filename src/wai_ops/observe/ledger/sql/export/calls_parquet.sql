-- The model calls of a slice with the ledger's own types.
copy (
    from model_call where {where} order by started_at, request_id, attempt, step, log_id
) to $file (format parquet, compression zstd)
