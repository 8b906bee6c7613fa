-- Where a line's model stands in the price lists, and which lines need a second look, in Python:
-- those that may hold a secret, and failures with more than a status. An id of the usual length is
-- the gateway's own, and so are the most usual of the words that it uses.
create or replace temp view judged_line as
with named as (
    select
        * replace (if(starts_with(model, 'workers-ai/@'), substr(model, 12), model) as model)
    from log_line
),
placed as (
    select
        *,
        coalesce(list_position(getvariable('price_names')::varchar[], model), 0) as model_place
    from named
)
select
    *,
    getvariable('is_first_look')::boolean and (
        error_type is not null
        or error_code is not null
        or error_message is not null
        or regexp_matches(
            concat_ws(
                ' ',
                nullif(path, '/v1/chat/completions'),
                user_agent,
                meta_tenant,
                meta_workflow,
                meta_conversation,
                meta_prompt,
                meta_trace,
                event_id,
                if(length(id) in (26, 36), null, id),
                if(model_place > 0, null, model),
                nullif(provider, 'workers-ai'),
                nullif(request_type, 'chat'),
                nullif(model_type, 'text-generation'),
                byok,
                dlp_action,
                finish_reason,
                gateway
            ),
            getvariable('prefilter')::varchar
        )
    ) as is_suspect
from placed
