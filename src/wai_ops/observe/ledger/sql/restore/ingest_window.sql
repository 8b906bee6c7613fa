-- What the old ledger had in its table ingest_window.
insert into ingest_window by name
select * from read_parquet($file)
