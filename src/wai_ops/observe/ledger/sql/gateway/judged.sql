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
),
picked as (
    select
        *,
        nullif(path, '/v1/chat/completions') as other_path,
        if(length(id) in (26, 36), null, id) as other_id,
        if(model_place > 0, null, model) as other_model
    from placed
),
joined as (
    select
        *,
        concat_ws(
            ' ',
            other_path,
            user_agent,
            meta_tenant,
            meta_workflow,
            meta_conversation,
            meta_prompt,
            meta_trace,
            event_id,
            other_id,
            other_model,
            nullif(provider, 'workers-ai'),
            nullif(request_type, 'chat'),
            nullif(model_type, 'text-generation'),
            byok,
            dlp_action,
            finish_reason,
            gateway
        ) as words,
        greatest(
            strlen(other_path),
            strlen(user_agent),
            strlen(meta_tenant),
            strlen(meta_workflow),
            strlen(meta_conversation),
            strlen(meta_prompt),
            strlen(meta_trace),
            strlen(event_id),
            strlen(other_id),
            strlen(other_model),
            strlen(provider),
            strlen(request_type),
            strlen(model_type),
            strlen(byok),
            strlen(dlp_action),
            strlen(finish_reason),
            strlen(gateway)
        ) as longest
    from picked
)
select
    * exclude (other_path, other_id, other_model, words, longest),
    getvariable('is_first_look')::boolean and (
        error_type is not null
        or error_code is not null
        or error_message is not null
        or case
            when longest < getvariable('prefilter').long_run
                then regexp_matches(words, getvariable('prefilter').brief)
            else regexp_matches(words, getvariable('prefilter').whole)
        end
    ) as is_suspect
from joined
