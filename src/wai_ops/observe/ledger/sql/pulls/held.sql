-- What the ledger holds of each of some windows, which share no instant: rows, and those that wait for
-- cost or usage. A call that failed, or that the gateway's cache answered, has no usage to wait for.
-- Of most rows the texts in `common` need not be taken apart to know; see stored_form for their numbers.
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
            case
                when c.gateway_cost_usd is null then true
                when c.input_tokens is null
                    or c.rare[1].told is not null
                    or not starts_with(c.common, 'gateway only')
                    then common_at(c.common, 29) is null
                        and coalesce(common_at(c.common, 30) <> 'true', true)
                        and coalesce(
                            told_by_gateway(
                                c.common, c.rare, c.rare[1].told.input_tokens, c.input_tokens
                            ),
                            told_as_usage(
                                c.common, c.rare, c.rare[1].told.usage_input_tokens, c.input_tokens
                            )
                        ) is null
            end
        ) as pending_count,
        bool_or(
            case
                when c.rare[1].told is not null
                    then c.rare[1].told.usage_input_tokens is not null
                else contains(c.common, 'gateway usage' || chr(31))
            end
        ) as has_usage_metadata,
        bool_or(c.gateway_latency_ms is not null) as has_timings
    from stored_call as c
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
