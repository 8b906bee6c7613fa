-- The client's calls and the gateway's that name the same log row, where either is new.
create or replace temp table pair as
select log_id, min(c.attempt_id) as attempt_id, false as is_by_key
from (
    select log_id, attempt_id, row_number > $boundary as is_new
    from numbered_call
    where sources = 'client only' and log_id is not null and started_at between $since and $until
) as c
join (
    select log_id, row_number > $boundary as is_new
    from numbered_call
    where sources = 'gateway only' and started_at between $since and $until
) as g using (log_id)
where c.is_new or g.is_new
group by log_id
