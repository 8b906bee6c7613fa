-- Which lines need a second look, in Python: those that may hold a secret, and failures with more
-- than a status.
create or replace temp view judged_line as
select
    *,
    getvariable('is_first_look')::boolean and (
        error_type is not null
        or error_code is not null
        or error_message is not null
        or regexp_matches(
            concat_ws(
                ' ', path, user_agent, meta_tenant, meta_workflow, meta_conversation, meta_prompt,
                meta_trace, event_id, id, byok, finish_reason, gateway, request_type, model_type,
                dlp_action, provider
            ),
            getvariable('prefilter')::varchar
        )
        or case
            when model in (from known_model) then false
            else regexp_matches(model, getvariable('prefilter')::varchar)
        end
    ) as is_suspect
from log_line
