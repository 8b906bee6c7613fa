-- What the ledger holds of each of some windows, which share no instant: rows, and those that wait for
-- cost or usage. A call that failed, or that the gateway's cache answered, has no usage to wait for.
-- Of most rows the texts in `common` need not be taken apart to know; see stored_form for their numbers.
with wanted as (
    select
        unnest(range(len($since::timestamp[]))) as place,
        unnest($since::timestamp[]) as since,
        unnest($until::timestamp[]) as until
),

-- What is asked of each row, before rows are sorted by time: texts would be sorted with them.
asked as (
    select
        created_at,
        case
            when gateway_cost_usd is null then true
            when input_tokens is null
                or rare[1].told is not null
                or not starts_with(common, 'gateway only')
                then common_at(common, 29) is null
                    and coalesce(common_at(common, 30) <> 'true', true)
                    and coalesce(
                        told_by_gateway(common, rare, rare[1].told.input_tokens, input_tokens),
                        told_as_usage(common, rare, rare[1].told.usage_input_tokens, input_tokens)
                    ) is null
        end as is_pending,
        case
            when rare[1].told is not null then rare[1].told.usage_input_tokens is not null
            else contains(common, 'gateway usage' || chr(31))
        end as has_usage_metadata,
        gateway_latency_ms is not null as has_timings
    from stored_call
    where created_at >= list_min($since::timestamp[])
        and created_at < list_max($until::timestamp[])
        and gateway_id = $gateway_id
        and log_id is not null
),

found as (
    select
        w.place,
        count(*) as held_count,
        count(*) filter (a.is_pending) as pending_count,
        bool_or(a.has_usage_metadata) as has_usage_metadata,
        bool_or(a.has_timings) as has_timings
    from asked as a
    -- The last window that had begun: for many windows a quarter of the time of a join by range.
    asof join wanted as w
        on a.created_at >= w.since
    where a.created_at < w.until
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
