-- What the ledger holds of each of some windows, which share no instant: rows, and those that wait for
-- cost or usage. A call that failed, or that the gateway's cache answered, has no usage to wait for.
-- Of most rows the texts in `common` need not be taken apart to know; see stored_form for their numbers.
with asked as (
    select
        created_at,
        case
            when gateway_cost_usd is null then true
            -- Nearly every row: `rare` itself is asked, and not for what is in it.
            when input_tokens is not null and rare is null and starts_with(common, 'gateway only')
                then false
            when common_at(common, 29) is not null then false
            when common_at(common, 30) = 'true' then false
            else coalesce(
                told_by_gateway(common, rare, rare[1].told.input_tokens, input_tokens),
                told_as_usage(common, rare, rare[1].told.usage_input_tokens, input_tokens)
            ) is null
        end as is_pending,
        case
            when rare is null then contains(common, 'gateway usage' || chr(31))
            when rare[1].told is null then contains(common, 'gateway usage' || chr(31))
            else rare[1].told.usage_input_tokens is not null
        end as has_usage_metadata,
        gateway_latency_ms is not null as has_timings
    from stored_call
    where created_at >= list_min($since::timestamp[])
        and created_at < list_max($until::timestamp[])
        and gateway_id = $gateway_id
        and log_id is not null
),

-- A bin holds what lies behind the end of the one before, its own end included: the last microsecond
-- before a window begins and the last of the window. Half the time of a join by range.
bounds as materialized (
    select
        list_transform(
            $since::timestamp[] || $until::timestamp[], lambda at_utc: at_utc - interval 1 microsecond
        ) as ends
),

found as (
    select
        histogram(created_at, (select ends from bounds)) as held,
        histogram(created_at, (select ends from bounds)) filter (is_pending) as pending,
        histogram(created_at, (select ends from bounds)) filter (has_usage_metadata) as with_usage,
        histogram(created_at, (select ends from bounds)) filter (has_timings) as with_timings
    from asked
),

wanted as (
    select
        unnest(range(len($until::timestamp[]))) as place,
        unnest($until::timestamp[]) - interval 1 microsecond as last_instant
)

select
    place,
    coalesce(held[last_instant], 0) as held_count,
    coalesce(pending[last_instant], 0) as pending_count,
    coalesce(with_usage[last_instant], 0) > 0 as has_usage_metadata,
    coalesce(with_timings[last_instant], 0) > 0 as has_timings
from wanted cross join found
order by place
