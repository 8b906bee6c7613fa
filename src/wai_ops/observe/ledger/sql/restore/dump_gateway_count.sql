-- What the old ledger has in its table gateway_count.
copy gateway_count to $file (format parquet)
