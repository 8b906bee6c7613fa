-- Of what is left: a client's call that was told no log row, and the first of the gateway's that
-- carry the same trace, conversation, turn and attempt.
insert into pair
select min(g.log_id) as log_id, min(c.attempt_id) as attempt_id, true as is_by_key
from (
    select *, row_number > $boundary as is_new
    from numbered_call
    where sources = 'client only' and log_id is null and started_at between $since and $until
) as c
join (
    select *, row_number > $boundary as is_new
    from numbered_call
    where sources = 'gateway only' and coalesce(step, 0) = 0
        and started_at between $since and $until
        and log_id not in (select log_id from pair)
) as g using (run_id, conversation_id, turn_index, attempt)
group by run_id, conversation_id, turn_index, attempt
having bool_or(c.is_new or g.is_new)
