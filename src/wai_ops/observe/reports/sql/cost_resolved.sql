-- How the conversations of each group ended, and of the whole slice, last. A conversation belongs to
-- every group that it has a call in.
with seen as (
    select distinct
        {group} as name,
        tenant,
        workflow,
        conversation_id
    from model_call
    where conversation_id is not null and {where}
),

ended as (
    select s.name, false as is_total, o.outcome
    from seen as s
    left join last_outcome as o using (tenant, workflow, conversation_id)
    union all
    select null as name, true as is_total, o.outcome
    from (select distinct tenant, workflow, conversation_id from seen) as s
    left join last_outcome as o using (tenant, workflow, conversation_id)
)
select
    name::varchar as name,
    is_total,
    count(*) as conversation_count,
    count(*) filter (outcome = 'resolved') as resolved_count,
    count(*) filter (outcome is null) as open_count
from ended
group by name, is_total
order by is_total, name
