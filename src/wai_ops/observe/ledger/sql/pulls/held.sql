-- What the ledger holds of each of some windows: rows, and those that wait for cost or usage.
-- A call that failed, or that the gateway's cache answered, has no usage to wait for.
select
    w.place,
    count(c.log_id) as held_count,
    count(c.log_id) filter (
        c.gateway_cost_usd is null
        or (
            c.error_type is null
            and not coalesce(c.gateway_cache_hit, false)
            and c.gateway_input_tokens is null
            and c.usage_input_tokens is null
        )
    ) as pending_count,
    coalesce(bool_or(c.usage_input_tokens is not null), false) as has_usage_metadata,
    coalesce(bool_or(c.gateway_latency_ms is not null), false) as has_timings
from (
    select
        unnest(range(len($since::timestamp[]))) as place,
        unnest($since::timestamp[]) as since,
        unnest($until::timestamp[]) as until
) as w
left join model_call as c
    on c.created_at >= w.since
    and c.created_at < w.until
    and c.gateway_id = $gateway_id
    and c.log_id is not null
group by w.place
order by w.place
