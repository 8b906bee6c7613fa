-- The FOCUS rows with exact decimals.
copy (from focus_1_2) to $file (format parquet, compression zstd)
