-- What the old ledger had in its table ingest_quarantine.
insert into ingest_quarantine by name
select * from read_parquet($file)
