-- All days of the conversations that came or went, each with the day before it.
create or replace temp table chained as
with changed as (
    select conversation from came
    union
    select conversation from went
),

known as (
    select day, conversation, tenant, workflow, previous_day, false as is_new
    from conversation_day
    where conversation in (select conversation from changed)
    union all
    select day, conversation, tenant, workflow, null as previous_day, true as is_new
    from came
)

select * exclude (previous_day), previous_day as noted_day, lag(day) over (
    partition by conversation order by day
) as previous_day
from known
