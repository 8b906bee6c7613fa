-- Requests whose first and last row may have changed: of more than one row, at least one of them new,
-- and those that a row was taken from. A request's id is that of numbered_call, which takes long to bind.
create or replace temp table repeated as
select hash(coalesce(run_id, event_id, log_id, attempt_id)) as request_hash
from stored_call
where started_at between $since and $until
group by request_hash
having count(*) > 1 and max(rowid) > $boundary
union
from stale_request
