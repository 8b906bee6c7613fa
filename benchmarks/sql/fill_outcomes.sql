-- Outcomes of so many conversations of a filled ledger, spread over all of it.
insert into outcome by name
select
    tenant,
    workflow,
    conversation_id,
    ['resolved', 'resolved', 'failed', 'abandoned'][1 + ((h >> 8) % 4)::integer] as outcome,
    'recorded' as source,
    ended_at as recorded_at
from (
    select *, hash(tenant, workflow, conversation_id) as h
    from (
        select tenant, workflow, conversation_id, max(started_at) as ended_at
        from model_call
        group by tenant, workflow, conversation_id
    )
)
order by h
limit $outcome_count
