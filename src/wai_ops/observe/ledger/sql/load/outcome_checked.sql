-- The staged outcomes with typed columns; `problems` says what keeps a row from being loaded.
create or replace temp view outcome_checked as
with raw as (
    select seq, payload, unnest(try(from_json(payload,
        '{
            "tenant": "VARCHAR",
            "workflow": "VARCHAR",
            "conversation_id": "VARCHAR",
            "outcome": "VARCHAR",
            "value_usd": "VARCHAR",
            "note": "VARCHAR",
            "source": "VARCHAR",
            "at": "VARCHAR"
        }')))
    from staged
    where kind = 'outcome'
)
select
    * exclude ("at") replace (as_usd(value_usd) as value_usd),
    as_time("at") as recorded_at,
    concat_ws(', ',
        missing('tenant', tenant),
        missing('workflow', workflow),
        missing('conversation_id', conversation_id),
        missing('outcome', outcome),
        missing('source', source),
        missing('at', "at"),
        unread('value_usd', value_usd, as_usd(value_usd)),
        unread('at', "at", as_time("at")),
        case when outcome not in ('resolved', 'failed', 'abandoned') then 'outcome is none of resolved, failed, abandoned' end
    ) as problems
from raw
