-- Tool calls that did not come through the outbox.
insert into tool_call by name
select * from read_parquet($file)
except all
select * from tool_call
