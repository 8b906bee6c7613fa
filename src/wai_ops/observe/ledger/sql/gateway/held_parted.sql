-- The client's side of rows that are replaced: it is matched anew.
create or replace temp table parted as
select log_id, attempt_id
from held
where not (is_same or is_stale) and attempt_id is not null
