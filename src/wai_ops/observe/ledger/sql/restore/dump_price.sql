-- What the old ledger has in its table price.
copy price to $file (format parquet)
