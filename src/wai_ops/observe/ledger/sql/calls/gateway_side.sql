-- The gateway's half of each pair.
create or replace temp table gateway_side as
select m.* exclude (request_id), pair.is_by_key, pair.attempt_id as matched_id
from model_call as m
join pair using (log_id)
where m.sources = 'gateway only' and m.started_at between $since and $until
