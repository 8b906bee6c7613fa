-- The outcomes that count now, of the conversations of which one has changed; null: it has none left.
create or replace temp table ended as
select
    conversation_key(d.tenant, d.workflow, d.conversation_id) as conversation,
    arg_max(o.outcome, (o.recorded_at, o.rowid)) as outcome
from outcome_dirty as d
left join outcome as o using (tenant, workflow, conversation_id)
group by conversation
