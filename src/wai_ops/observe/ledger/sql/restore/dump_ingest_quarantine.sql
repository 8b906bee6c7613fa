-- What the old ledger has in its table ingest_quarantine.
copy ingest_quarantine to $file (format parquet)
