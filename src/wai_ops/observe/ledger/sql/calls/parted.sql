-- Rows that were matched by their metadata alone, and may belong elsewhere: their log_id or their key
-- is also that of a new row.
create or replace temp table parted as
select log_id, attempt_id from matched_by_key
where log_id in (select log_id from numbered_call where row_number > $boundary)
union
select m.log_id, m.attempt_id
from matched_by_key as m
semi join (from numbered_call where row_number > $boundary) as n
    on m.run_id = n.run_id
    and m.conversation_id = n.conversation_id
    and m.turn_index = n.turn_index
    and m.attempt = n.attempt
