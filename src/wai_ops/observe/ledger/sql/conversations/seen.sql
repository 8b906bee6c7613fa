-- Which conversations these days have.
create or replace temp table seen as
select day, conversation_key(tenant, workflow, conversation_id) as conversation, tenant, workflow
from (
    select distinct started_at::date as day, tenant, workflow, conversation_id
    from model_call
    where conversation_id is not null
        and started_at >= $since
        and started_at < $last::date + 1
        and started_at::date in (select day from looked_at)
)
