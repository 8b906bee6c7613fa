-- What the old ledger had in its table ingest_mark.
insert into ingest_mark by name
select * from read_parquet($file)
