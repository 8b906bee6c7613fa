-- The client's side of the rows that go.
create or replace temp table parted as
select log_id, attempt_id
from model_call
where created_at < $before and ingest_source is not null and attempt_id is not null
