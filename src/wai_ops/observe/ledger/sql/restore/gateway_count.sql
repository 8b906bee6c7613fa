-- What the old ledger had in its table gateway_count.
insert into gateway_count by name
select * from read_parquet($file)
