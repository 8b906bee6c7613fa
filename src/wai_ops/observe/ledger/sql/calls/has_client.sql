-- Whether calls that only the client has told of lie in these times, and whether any lack a log_id. They
-- have an attempt_id, which is asked first: where nobody has one, nothing is read.
select count(*), count(*) filter (log_id is null)
from stored_call
where attempt_id is not null
    and starts_with(common, 'client only' || chr(31))
    and started_at between $since and $until
