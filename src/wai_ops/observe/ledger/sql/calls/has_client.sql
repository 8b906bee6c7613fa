-- Whether calls that only the client has told of lie in these times, and whether any lack a log_id.
select count(*), count(*) filter (log_id is null)
from model_call
where sources = 'client only' and started_at between $since and $until
