-- Outcomes recorded in [$since, $until), the latest first. The latest of a conversation counts, whether
-- it lies in the window or not; of two at the same instant the one that was loaded last.
with known as (
    select
        tenant, workflow, conversation_id, outcome, value_usd, recorded_at, source, note,
        row_number() over (
            partition by tenant, workflow, conversation_id
            order by recorded_at desc, rowid desc
        ) = 1 as is_current,
        exists (
            from model_call as c
            where c.conversation_id = o.conversation_id
                and c.tenant = o.tenant
                and c.workflow = o.workflow
        ) as is_known
    from outcome as o
)
select *
from known
where ($since::timestamp is null or recorded_at >= $since)
    and ($until::timestamp is null or recorded_at < $until)
    and ($tenant::varchar is null or tenant = $tenant)
    and ($workflow::varchar is null or workflow = $workflow)
    and ($outcome::varchar is null or outcome = $outcome)
order by recorded_at desc, tenant, workflow, conversation_id, is_current desc
