-- What the old ledger had in its table body.
insert into body by name
select * from read_parquet($file)
