-- What the old ledger had in its table price.
insert into price by name
select * from read_parquet($file)
