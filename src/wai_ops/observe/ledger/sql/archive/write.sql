-- Turn a spool of outbox rows into an archive file. Level 1 beats the default here in size and time.
copy (
    select seq, kind, payload
    from read_json(
        $spool,
        format = 'newline_delimited',
        columns = {seq: 'BIGINT', kind: 'VARCHAR', payload: 'VARCHAR'},
        maximum_object_size = $longest
    )
) to $file (format parquet, compression zstd, compression_level 1, row_group_size 20000)
