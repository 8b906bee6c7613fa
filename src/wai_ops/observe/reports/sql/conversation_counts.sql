-- How the conversations of each group ended, from their counts by day: those of the whole days of the
-- window, and those of its edges that none of these days has. Each conversation has one group.
with edge as (
    select distinct {group} as name, conversation_key(tenant, workflow, conversation_id) as conversation
    from model_call
    where conversation_id is not null and {where}
),

beyond as (
    select *
    from edge
    anti join (
        from conversation_day
        where day >= $first_day::date and day < $end_day::date
    ) as d using (conversation)
),

counted as (
    select {day_group} as name, outcome, sum(conversation_count) as conversation_count
    from rollup_conversation
    where {day_where} and (previous_day is null or previous_day < $first_day::date)
    group by all
    union all
    select name, outcome, count(*) as conversation_count
    from beyond
    left join conversation_outcome using (conversation)
    group by all
)

select
    name::varchar as name,
    false as is_total,
    sum(conversation_count)::bigint as conversation_count,
    coalesce(sum(conversation_count) filter (outcome = 'resolved'), 0)::bigint as resolved_count,
    coalesce(sum(conversation_count) filter (outcome is null), 0)::bigint as open_count
from counted
group by name
order by name
