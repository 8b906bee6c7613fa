-- A few rows that were read a second time, in their usual spelling, as a file to stage.
copy (
    select
        unnest($seqs::bigint[]) as seq,
        $kind::varchar as kind,
        unnest($payloads::varchar[]) as payload
) to $file (format parquet)
