-- The staged tool calls with typed columns; `problems` says what keeps a row from being loaded.
create or replace temp view tool_call_checked as
with raw as (
    select seq, payload, unnest(try(from_json(payload,
        '{
            "tool_call_id": "VARCHAR",
            "request_id": "VARCHAR",
            "log_id": "VARCHAR",
            "tenant": "VARCHAR",
            "workflow": "VARCHAR",
            "conversation_id": "VARCHAR",
            "turn_index": "VARCHAR",
            "model": "VARCHAR",
            "tool_name": "VARCHAR",
            "tool_family": "VARCHAR",
            "arguments_sha256": "VARCHAR",
            "started_at": "VARCHAR",
            "duration_ms": "VARCHAR",
            "error_type": "VARCHAR",
            "output_tokens": "VARCHAR",
            "decision_id": "VARCHAR",
            "source": "VARCHAR"
        }')))
    from staged
    where kind = 'tool_call'
)
select
    * replace (
        as_int(turn_index) as turn_index,
        as_time(started_at) as started_at,
        as_float(duration_ms) as duration_ms,
        as_float(output_tokens) as output_tokens
    ),
    concat_ws(', ',
        missing('tool_name', tool_name),
        missing('tool_family', tool_family),
        missing('started_at', started_at),
        missing('source', source),
        unread('turn_index', turn_index, as_int(turn_index)),
        unread('started_at', started_at, as_time(started_at)),
        unread('duration_ms', duration_ms, as_float(duration_ms)),
        unread('output_tokens', output_tokens, as_float(output_tokens))
    ) as problems
from raw
