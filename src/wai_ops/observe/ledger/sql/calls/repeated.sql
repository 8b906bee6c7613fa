-- Requests whose first and last row may have changed: of more than one row, at least one of them new,
-- and those that a row was taken from.
create or replace temp table repeated as
select hash(request_id) as request_hash
from numbered_call
where started_at between $since and $until
group by request_hash
having count(*) > 1 and max(row_number) > $boundary
union
from stale_request
