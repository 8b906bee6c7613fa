-- What the old ledger has in its table ingest_mark.
copy ingest_mark to $file (format parquet)
