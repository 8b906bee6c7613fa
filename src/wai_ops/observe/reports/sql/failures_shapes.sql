-- Failures that no rule knows, by the shape of their message: what differs from one call to the next
-- is put aside (masks, quoted texts, ids, numbers), what is left is counted.
with message as (
    select
        *,
        left(
            trim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
                regexp_replace(regexp_replace(
                    left(error_message, 4000),
                    '\[redacted:([a-z0-9_-]+):\w+\]', '[redacted:\1]', 'g'
                ), '"[^"]*"|''[^'']*''|`[^`]*`', '"…"', 'g'),
                '\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b', '<id>', 'g'
            ), '\b[0-9]+([.,:][0-9]+)*\b', '<n>', 'g'),
                '\b\w*[0-9]\w*\b|\b[0-9a-fA-F]{12,}\b', '<id>', 'g'
            ), '\s+', ' ', 'g')),
            300
        ) as shape
    from call_fact
    where error_type = 'unknown' and {where}
)
select
    shape,
    http_status,
    error_code,
    count(*) as request_count,
    count(*) filter (is_last) as failed_run_count,
    count(*) / sum(count(*)) over () as unknown_ratio,
    sum(known_cost_usd)::decimal(38, 12) as cost_usd,
    min(started_at) as first_at,
    max(started_at) as last_at,
    arg_max(error_message, (started_at, error_message)) as example
from message
group by all
order by request_count desc, last_at desc, shape, http_status, error_code
limit $most
