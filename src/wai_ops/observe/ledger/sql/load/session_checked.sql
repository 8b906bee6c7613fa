-- The staged session events with typed columns; `problems` says what keeps a row from being loaded.
create or replace temp view session_checked as
with raw as (
    select seq, payload, unnest(try(from_json(payload,
        '{
            "affinity_key": "VARCHAR",
            "tenant": "VARCHAR",
            "workflow": "VARCHAR",
            "conversation_id": "VARCHAR",
            "epoch": "VARCHAR",
            "reason": "VARCHAR",
            "at": "VARCHAR"
        }')))
    from staged
    where kind = 'session'
)
select
    * exclude (epoch, "at"),
    as_int(epoch) as epoch,
    as_time("at") as occurred_at,
    concat_ws(', ',
        missing('affinity_key', affinity_key),
        missing('tenant', tenant),
        missing('workflow', workflow),
        missing('conversation_id', conversation_id),
        missing('epoch', epoch),
        missing('reason', reason),
        missing('at', "at"),
        unread('epoch', epoch, as_int(epoch)),
        unread('at', "at", as_time("at"))
    ) as problems
from raw
