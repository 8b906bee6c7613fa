-- Kept rows that the ledger does not hold, as new ones.
insert into model_call by name
select *
from read_parquet($files, union_by_name = true)
where log_id not in (
    select log_id from model_call where ingest_source is not null and log_id is not null
)
