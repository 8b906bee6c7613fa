-- What the old ledger has in its table ingest_window.
copy ingest_window to $file (format parquet)
