-- What holds rows; views show the same ones. `model_call` says everything that is stored of calls, by
-- the names that people know.
select if(table_name = 'stored_call', 'model_call', table_name) as table_name
from duckdb_tables()
where not internal and not temporary
order by table_name;
