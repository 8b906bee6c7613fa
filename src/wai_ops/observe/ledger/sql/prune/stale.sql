-- Their requests, where another row of the request may stay.
insert into stale_request
select distinct hash(request_id)
from model_call
where created_at < $before and created_at >= $before - interval 1 day
    and ingest_source is not null
