-- The conversations that stand out, per group of their calls and over all, last. A conversation belongs to
-- every group that one of its calls is in; what it cost there is what those calls cost. $tenants,
-- $workflows, $conversations and $measured are the rows of anomalies.sql.
with anomaly as (
    select
        unnest($tenants::varchar[]) as tenant,
        unnest($workflows::varchar[]) as workflow,
        unnest($conversations::varchar[]) as conversation_id,
        unnest($measured::decimal(38, 12)[]) as measured
),

part as (
    select
        ({group})::varchar as name,
        tenant,
        workflow,
        conversation_id,
        sum(known_cost_usd)::decimal(38, 12) as cost_usd,
        coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) as token_count,
        count(*) as call_count,
        count(*) filter (not is_last) as retry_count,
        count(error_type) as failed_count,
        count(*) filter (cost_state = 'unknown') as unknown_cost_count,
        min(started_at) as first_at,
        max(started_at) as last_at
    from call_fact
    where conversation_id is not null and {where}
    group by all
),

judged as (
    select
        p.*,
        a.measured,
        coalesce(p.tenant, '') || ':' || coalesce(p.workflow, '') || ':' || p.conversation_id
            as conversation,
        conversation_key(p.tenant, p.workflow, p.conversation_id) as key
    from part as p
    left join anomaly as a
        on p.tenant is not distinct from a.tenant
        and p.workflow is not distinct from a.workflow
        and p.conversation_id = a.conversation_id
)
select
    name,
    grouping(name) = 1 as is_total,
    count(distinct key) filter (measured is not null) as anomaly_count,
    count(distinct key) as conversation_count,
    sum(cost_usd) filter (measured is not null)::decimal(38, 12) as anomaly_cost_usd,
    sum(cost_usd)::decimal(38, 12) as cost_usd,
    coalesce(sum(token_count) filter (measured is not null), 0)::bigint as anomaly_token_count,
    sum(token_count)::bigint as token_count,
    coalesce(sum(call_count) filter (measured is not null), 0)::bigint as call_count,
    coalesce(sum(retry_count) filter (measured is not null), 0)::bigint as retry_count,
    coalesce(sum(failed_count) filter (measured is not null), 0)::bigint as failed_count,
    coalesce(sum(unknown_cost_count) filter (measured is not null), 0)::bigint as unknown_cost_count,
    min(first_at) filter (measured is not null) as first_at,
    max(last_at) filter (measured is not null) as last_at,
    arg_max(conversation, (measured, conversation)) filter (measured is not null) as largest
from judged
group by grouping sets ((name), ())
having count(measured) > 0 or (grouping(name) = 1 and count(*) > 0)
order by
    is_total,
    case when $measure = 'tokens' then anomaly_token_count else anomaly_cost_usd end desc nulls last,
    anomaly_count desc,
    name
