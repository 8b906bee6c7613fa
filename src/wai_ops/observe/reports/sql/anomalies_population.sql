-- How many conversations were looked at, and how many of them could not stand out: a p95 of fewer than
-- 20 values is the largest of them, and so is a p99 of fewer than 100.
with conversation as (
    select
        tenant,
        case when $measure = 'tokens' then 1 else count(known_cost_usd) end > 0 as is_measured
    from call_fact
    where conversation_id is not null and {where}
    group by tenant, workflow, conversation_id
),

of_tenant as (
    select
        count(*) as conversation_count,
        count(*) filter (is_measured) as measured_count
    from conversation
    group by tenant
)
select
    coalesce(sum(conversation_count), 0)::bigint as conversation_count,
    coalesce(sum(measured_count), 0)::bigint as measured_count,
    count(*) as tenant_count,
    count(*) filter (measured_count < $fewest) as small_tenant_count,
    coalesce(sum(measured_count) filter (measured_count < $fewest), 0)::bigint
        as small_tenant_conversation_count
from of_tenant
