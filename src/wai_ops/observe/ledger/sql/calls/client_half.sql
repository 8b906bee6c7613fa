-- The client's half of each pair.
create or replace temp table client_half as
select m.* exclude (request_id)
from model_call as m
where m.sources = 'client only' and m.started_at between $since and $until
    and m.attempt_id in (select attempt_id from pair)
