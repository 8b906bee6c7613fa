-- What is known to have been charged for the attempts $ids, by us or by the gateway.
select attempt_id, known_cost_usd as cost_usd
from call_fact
where attempt_id in (select unnest($ids::varchar[])) and is_cost_known
order by attempt_id
