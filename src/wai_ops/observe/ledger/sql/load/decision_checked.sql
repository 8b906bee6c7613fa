-- The staged decisions with typed columns; `problems` says what keeps a row from being loaded.
create or replace temp view decision_checked as
with raw as (
    select seq, payload, unnest(try(from_json(payload,
        '{
            "decision_id": "VARCHAR",
            "occurred_at": "VARCHAR",
            "policy_version": "VARCHAR",
            "verdict": "VARCHAR",
            "rule": "VARCHAR",
            "action": "VARCHAR",
            "justification": "VARCHAR",
            "actor": "VARCHAR",
            "run_id": "VARCHAR",
            "attempt_id": "VARCHAR",
            "parent_id": "VARCHAR",
            "tenant": "VARCHAR",
            "workflow": "VARCHAR",
            "conversation_id": "VARCHAR",
            "turn_index": "VARCHAR",
            "prompt_name": "VARCHAR",
            "prompt_version": "VARCHAR",
            "request_sha256": "VARCHAR",
            "result_sha256": "VARCHAR",
            "error_type": "VARCHAR",
            "error_message": "VARCHAR"
        }')))
    from staged
    where kind = 'decision'
)
select
    * replace (
        as_time(occurred_at) as occurred_at,
        as_int(turn_index) as turn_index
    ),
    error_type is not null
        and attempt_id is null
        and split_part(action, ' ', 1) = 'model_call' as is_refused_call,
    concat_ws(', ',
        missing('decision_id', decision_id),
        missing('occurred_at', occurred_at),
        missing('policy_version', policy_version),
        missing('verdict', verdict),
        missing('action', action),
        unread('occurred_at', occurred_at, as_time(occurred_at)),
        unread('turn_index', turn_index, as_int(turn_index))
    ) as problems
from raw
