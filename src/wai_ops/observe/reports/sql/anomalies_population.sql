-- How many conversations were looked at, and how many of them could not stand out: a p95 of fewer than
-- 20 values is the largest of them, and so is a p99 of fewer than 100.
with conversation as (
    select
        tenant,
        case when $measure = 'tokens' then 1 else count(known_cost_usd) end > 0 as is_measured,
        count(*) as request_count,
        count(*) filter (sources = 'client+gateway') as both_count,
        count(*) filter (sources = 'gateway only') as gateway_only_count,
        count(*) filter (sources = 'client only') as client_only_count,
        count(*) filter (contract <> 'complete') as contract_missing_count,
        count(*) filter (target = 'local') as local_count
    from call_fact
    where conversation_id is not null and {where}
    group by tenant, workflow, conversation_id
),

of_tenant as (
    select
        count(*) as conversation_count,
        count(*) filter (is_measured) as measured_count,
        sum(request_count) as request_count,
        sum(both_count) as both_count,
        sum(gateway_only_count) as gateway_only_count,
        sum(client_only_count) as client_only_count,
        sum(contract_missing_count) as contract_missing_count,
        sum(local_count) as local_count
    from conversation
    group by tenant
)
select
    coalesce(sum(conversation_count), 0)::bigint as conversation_count,
    coalesce(sum(measured_count), 0)::bigint as measured_count,
    count(*) as tenant_count,
    count(*) filter (measured_count < $fewest) as small_tenant_count,
    coalesce(sum(measured_count) filter (measured_count < $fewest), 0)::bigint
        as small_tenant_conversation_count,
    coalesce(sum(request_count), 0)::bigint as request_count,
    coalesce(sum(both_count), 0)::bigint as both_count,
    coalesce(sum(gateway_only_count), 0)::bigint as gateway_only_count,
    coalesce(sum(client_only_count), 0)::bigint as client_only_count,
    coalesce(sum(contract_missing_count), 0)::bigint as contract_missing_count,
    coalesce(sum(local_count), 0)::bigint as local_count
from of_tenant
