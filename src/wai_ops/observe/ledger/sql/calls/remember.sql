-- Of those that were matched by their metadata alone the gateway's side is kept as it was.
insert into matched_by_key by name
select * exclude (is_by_key, matched_id) replace (matched_id as attempt_id)
from gateway_side
where is_by_key
