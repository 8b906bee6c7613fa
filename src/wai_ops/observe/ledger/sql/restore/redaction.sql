-- What the old ledger had in its table redaction.
insert into redaction by name
select * from read_parquet($file)
