-- Completeness by gateway and UTC day: rows held, rows counted by the gateway, what windows tell.
with days as (
    select distinct gateway_id, created_at::date as day
    from model_call
    where log_id is not null
        and gateway_id is not null
        and created_at >= $since
        and created_at < $until
    union
    select gateway_id, day
    from gateway_count
    where day >= $since::date
        and day < $until
        and counted > 0
    union
    -- No window crosses midnight.
    select gateway_id, since::date as day
    from ingest_window
    where since < $until
        and until > $since
    union
    -- From the first window on no day is passed over, whether it was read or not.
    select
        gateway_id,
        unnest(range(
            greatest(first_day, $since::timestamp), $until::timestamp, interval 1 day
        ))::date as day
    from (
        select gateway_id, date_trunc('day', min(since)) as first_day
        from ingest_window
        group by gateway_id
    )
),

-- The newest count of each day; where both were asked at once, the analytics.
counted as (
    select
        gateway_id,
        day,
        arg_max(counted, (asked_at, source = 'graphql')) as counted,
        arg_max(source, (asked_at, source = 'graphql')) as source,
        arg_max(counted_until, (asked_at, source = 'graphql')) as counted_until,
        arg_max(is_settled, (asked_at, source = 'graphql')) as is_settled
    from gateway_count
    group by gateway_id, day
),

-- What the log itself lists, where it was asked about the same time.
listed as (
    select
        gateway_id,
        day,
        counted_until,
        arg_max(counted, asked_at) as listed_count
    from gateway_count
    where source = 'result_info'
    group by gateway_id, day, counted_until
),

calls as (
    select
        m.gateway_id,
        m.created_at::date as day,
        count(*) as held_count,
        count(*) filter (m.created_at < c.counted_until) as held_until_count,
        count(*) filter (m.contract <> 'complete') as without_contract_count,
        count(*) filter (
            m.gateway_cost_usd is null
            or (
                m.error_type is null
                and not coalesce(m.gateway_cache_hit, false)
                and m.gateway_input_tokens is null
                and m.usage_input_tokens is null
            )
        ) as pending_count
    from model_call as m
    left join counted as c on c.gateway_id = m.gateway_id and c.day = m.created_at::date
    where m.log_id is not null
        and m.created_at >= $since
        and m.created_at < $until
    group by all
),

windows as (
    select
        gateway_id,
        since::date as day,
        sum(duplicate_count)::bigint as duplicate_count,
        sum(late_row_count)::bigint as late_row_count,
        sum(late_field_count)::bigint as late_field_count,
        count(*) as window_count,
        count(*) filter (reported_count > row_count) as partial_window_count,
        bool_or(is_sampled) as is_sampled,
        -- Two pulls at once may have read windows that overlap, whose rows would count twice.
        case when count(reported_count) = count(*) and not bool_or(is_overlapping)
            then sum(reported_count)::bigint end as read_count,
        max(until) as read_until,
        bool_or(epoch(pulled_at - until) < $settle_s::double) as is_read_early
    from (
        select
            *,
            coalesce(
                since < max(until) over (
                    partition by gateway_id
                    order by since, until
                    rows between unbounded preceding and 1 preceding
                ),
                false
            ) as is_overlapping
        from ingest_window
        where since < $until
            and until > $since
    )
    group by gateway_id, since::date
)

select
    d.gateway_id,
    d.day,
    coalesce(a.held_count, 0) as held_count,
    c.counted,
    c.source as counted_by,
    c.counted_until,
    c.is_settled,
    l.listed_count,
    case when c.counted is not null then coalesce(a.held_until_count, 0) end as held_until_count,
    w.read_count,
    w.read_until,
    coalesce(w.is_read_early, false) as is_read_early,
    coalesce(w.duplicate_count, 0) as duplicate_count,
    coalesce(w.late_row_count, 0) as late_row_count,
    coalesce(w.late_field_count, 0) as late_field_count,
    coalesce(a.without_contract_count, 0) as without_contract_count,
    coalesce(a.pending_count, 0) as pending_count,
    coalesce(w.window_count, 0) as window_count,
    coalesce(w.partial_window_count, 0) as partial_window_count,
    coalesce(w.is_sampled, false) as is_sampled
from days as d
left join calls as a using (gateway_id, day)
left join counted as c using (gateway_id, day)
left join listed as l
    on l.gateway_id = d.gateway_id
    and l.day = d.day
    and l.counted_until = c.counted_until
left join windows as w using (gateway_id, day)
where $gateway_id is null
    or d.gateway_id = $gateway_id
order by d.day, d.gateway_id
