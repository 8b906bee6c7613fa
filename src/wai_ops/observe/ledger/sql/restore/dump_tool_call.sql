-- What the old ledger has in its table tool_call.
copy tool_call to $file (format parquet)
