-- How many rows these archive files hold, from their footers.
select coalesce(sum(num_rows), 0)::bigint from parquet_file_metadata($files)
