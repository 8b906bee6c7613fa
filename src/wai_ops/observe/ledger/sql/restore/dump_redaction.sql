-- What the old ledger has in its table redaction.
copy redaction to $file (format parquet)
