-- Ledger, version 4: what was refused before it was sent, beside the calls that were.

-- The attempt that it is about; null: it was decided before there was one.
alter table decision add column attempt_id varchar;
-- The decision that it is a part of: the first of its run.
alter table decision add column parent_id varchar;
alter table decision add column prompt_name varchar;
alter table decision add column prompt_version varchar;
-- A failure class where nothing was done, and why not, redacted; null where it was let through.
alter table decision add column error_type varchar;
alter table decision add column error_message varchar;
-- A call of a model that was refused before there was an attempt. As a flag, because it is sought among
-- as many decisions as there are calls, and ids are slow to read.
alter table decision add column is_refused_call boolean;

-- These calls, with the names that model_call has. They went nowhere: no route, gateway, provider or target.
create view refused_call as
select
    decision_id,
    run_id,
    occurred_at as started_at,
    tenant,
    workflow,
    conversation_id,
    turn_index,
    prompt_name,
    prompt_version,
    nullif(substr(action, length('model_call ') + 1), '') as model,
    null::varchar as endpoint,
    null::varchar as gateway_id,
    null::varchar as provider,
    null::varchar as target,
    'client only' as sources,
    error_type,
    error_message,
    -- No attempt of the run was sent. Else the run ended with the last that was.
    parent_id is null as is_last
from decision
where is_refused_call;
