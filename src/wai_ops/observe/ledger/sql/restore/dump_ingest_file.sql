-- What the old ledger has in its table ingest_file.
copy ingest_file to $file (format parquet)
