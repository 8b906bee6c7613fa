-- Those that are on a day no longer.
create or replace temp table went as
select d.day, d.conversation
from conversation_day as d
anti join seen as s using (day, conversation)
where d.day >= $since::date and d.day <= $last::date and d.day in (select day from looked_at)
