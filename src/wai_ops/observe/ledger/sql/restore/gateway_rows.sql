-- Those that the kept parts did not have.
insert into model_call by name
select *
from read_parquet($files)
where log_id not in (
    select log_id from model_call where ingest_source is not null and log_id is not null
)
