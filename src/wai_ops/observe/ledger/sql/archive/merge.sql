-- Several archive files, which do not overlap and are given in order, as one.
copy (
    select seq, kind, payload from read_parquet($files)
) to $file (format parquet, compression zstd, compression_level 1, row_group_size 20000)
