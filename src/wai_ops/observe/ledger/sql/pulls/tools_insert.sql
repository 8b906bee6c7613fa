-- Tool calls found in response bodies, each with the names of the call that asked for it.
insert into tool_call by name
select
    t.tool_call_id,
    c.request_id,
    t.log_id,
    c.tenant,
    c.workflow,
    c.conversation_id,
    c.turn_index,
    c.model,
    t.tool_name,
    t.tool_family,
    t.arguments_sha256,
    c.started_at,
    -- Of the turn that asked for the tool, shared evenly by the calls of that turn.
    c.output_tokens / count(*) over (partition by t.log_id) as output_tokens,
    'body' as source
from (
    select
        unnest($log_id::varchar[]) as log_id,
        unnest($tool_call_id::varchar[]) as tool_call_id,
        unnest($tool_name::varchar[]) as tool_name,
        unnest($tool_family::varchar[]) as tool_family,
        unnest($arguments_sha256::varchar[]) as arguments_sha256
) as t
inner join model_call as c
    on c.log_id = t.log_id
    and c.created_at between $since and $until
-- What the client itself recorded is not told twice.
where not exists (
    from tool_call as k
    where k.tool_call_id = t.tool_call_id
        and k.source <> 'body'
        and k.conversation_id is not distinct from c.conversation_id
)
