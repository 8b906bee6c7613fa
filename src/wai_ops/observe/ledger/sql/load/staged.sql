-- What is about to be loaded: a view, so that DuckDB reads an archive file on all its threads.
create or replace temp view staged as
select seq, kind, payload
from read_parquet(getvariable('archive_files')::varchar[])
where seq > getvariable('loaded_through')::bigint
