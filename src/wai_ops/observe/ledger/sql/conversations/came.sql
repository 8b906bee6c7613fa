-- Those that are new on a day.
create or replace temp table came as
select s.*
from seen as s
anti join (
    from conversation_day
    where day >= $since::date and day <= $last::date
) as d using (day, conversation)
