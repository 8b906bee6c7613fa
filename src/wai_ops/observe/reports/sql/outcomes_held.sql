-- Every outcome recorded for the conversations that have one of $ids.
select
    tenant, workflow, conversation_id, outcome, value_usd, note, recorded_at,
    row_number() over (
        partition by tenant, workflow, conversation_id
        order by recorded_at desc, rowid desc
    ) = 1 as is_current
from outcome
where conversation_id in (select unnest($ids::varchar[]))
