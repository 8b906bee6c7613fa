-- The model calls of a slice as far as spans tell of them, with the decisions of their run.
select
    call.*,
    decided.decision_ids
from (from model_call where {where}) as call
left join (
    select run_id, list(decision_id order by occurred_at, decision_id) as decision_ids
    from decision where run_id is not null group by run_id
) as decided using (run_id)
order by call.started_at, call.request_id, call.attempt, call.step, call.log_id
