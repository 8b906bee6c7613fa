-- The new ones, day by day, so that a few days are found without reading all.
insert into conversation_day by name
select day, conversation, tenant, workflow, previous_day
from chained
where is_new
order by day
