-- Those that the kept parts did not have.
create or replace temp view new_call as
select *
from read_parquet(getvariable('kept_files')::varchar[])
where log_id not in (
    select log_id from model_call where ingest_source is not null and log_id is not null
);
insert into stored_call by name from stored_form('new_call')
