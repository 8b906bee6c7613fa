-- The failures of these days, by class.
insert into rollup_failure by name
select
    case
        when grouping(tenant) = 0 then 'tenant'
        when grouping(workflow) = 0 then 'workflow'
        when grouping(model) = 0 then 'model'
        else 'route'
    end as grain,
    day,
    tenant,
    workflow,
    model,
    endpoint,
    error_type,
    count(*) as call_count,
    count(*) filter (is_last) as failed_run_count,
    sum(known_cost_usd) as cost_usd,
    min(started_at) as first_at,
    max(started_at) as last_at
from call_fact
where started_at >= $since and started_at < $last::date + 1 and day in (from rolled)
    and error_type is not null
group by grouping sets (
    (day, error_type, tenant),
    (day, error_type, workflow),
    (day, error_type, model),
    (day, error_type, endpoint)
)
