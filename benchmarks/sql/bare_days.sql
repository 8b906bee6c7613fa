-- The stored rows added up by day and one name at a time.
create table log_day as
select
    created_at::date as day,
    tenant,
    workflow,
    model,
    prompt,
    path,
    status_code,
    cached,
    count(*) as calls,
    sum(tokens_in) as input,
    sum(tokens_out) as output,
    sum(usage_cached_tokens) as cached_input,
    sum(cost) as cost
from log_row
group by grouping sets (
    (day, tenant, status_code, cached),
    (day, workflow, status_code, cached),
    (day, model, status_code, cached),
    (day, prompt, status_code, cached),
    (day, path, status_code, cached)
)
