-- What the old ledger has in its table body.
copy body to $file (format parquet)
