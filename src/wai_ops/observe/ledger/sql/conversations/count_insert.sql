-- The conversations of these days, by one name at a time.
insert into rollup_conversation by name
select
    case when grouping(tenant) = 0 then 'tenant' else 'workflow' end as grain,
    day,
    tenant,
    workflow,
    previous_day,
    outcome,
    count(*) as conversation_count
from conversation_day as d
left join conversation_outcome as o using (conversation)
where d.day in (select day from recounted)
group by grouping sets (
    (day, tenant, previous_day, outcome),
    (day, workflow, previous_day, outcome)
)
