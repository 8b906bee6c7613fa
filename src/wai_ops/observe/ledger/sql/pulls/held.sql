-- What the ledger holds of each of some windows, which share no instant: rows, and those that wait for
-- cost or usage. A call that failed, or that the gateway's cache answered, has no usage to wait for.
with wanted as (
    select
        unnest(range(len($since::timestamp[]))) as place,
        unnest($since::timestamp[]) as since,
        unnest($until::timestamp[]) as until
),

found as (
    select
        w.place,
        count(*) as held_count,
        count(*) filter (
            c.gateway_cost_usd is null
            or (
                c.error_type is null
                and not coalesce(c.gateway_cache_hit, false)
                and c.gateway_input_tokens is null
                and c.usage_input_tokens is null
            )
        ) as pending_count,
        bool_or(c.usage_input_tokens is not null) as has_usage_metadata,
        bool_or(c.gateway_latency_ms is not null) as has_timings
    from model_call as c
    -- The last window that had begun: for many windows a quarter of the time of a join by range.
    asof join wanted as w
        on c.created_at >= w.since
    where c.created_at >= list_min($since::timestamp[])
        and c.created_at < list_max($until::timestamp[])
        and c.created_at < w.until
        and c.gateway_id = $gateway_id
        and c.log_id is not null
    group by w.place
)

select
    place,
    coalesce(f.held_count, 0) as held_count,
    coalesce(f.pending_count, 0) as pending_count,
    coalesce(f.has_usage_metadata, false) as has_usage_metadata,
    coalesce(f.has_timings, false) as has_timings
from wanted
left join found as f using (place)
order by place
