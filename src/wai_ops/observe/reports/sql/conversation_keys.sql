-- The conversations that have one of $ids.
select distinct tenant, workflow, conversation_id
from model_call
where conversation_id in (select unnest($ids::varchar[]))
    and tenant is not null
    and workflow is not null
order by all
