-- What the old ledger had in its table ingest_file.
insert into ingest_file by name
select * from read_parquet($file)
