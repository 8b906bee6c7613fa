-- Where a line's model stands in the price lists, the texts that it has in common with others, and
-- which lines need a second look, in Python: those that may hold a secret, and failures with more than
-- a status. An id that is spelled as usual is the gateway's own, and the texts that are usual in this batch
-- were looked at before it.
create or replace temp view judged_line as
with named as (
    select
        * replace (if(starts_with(model, 'workers-ai/@'), substr(model, 12), model) as model)
    from log_line
),
placed as (
    select
        *,
        coalesce(list_position(getvariable('price_names')::varchar[], model), 0) as model_place,
        -- As the end of stored_call.common; a missing text is an empty one here.
        concat(
            provider, chr(31),
            path, chr(31),
            request_type, chr(31),
            model_type, chr(31),
            finish_reason, chr(31),
            byok, chr(31),
            dlp_action, chr(31),
            user_agent
        ) as common_end
    from named
),
picked as (
    select
        *,
        if(
            common_end = getvariable('usual_end')::varchar,
            null,
            concat_ws(
                ' ', provider, path, request_type, model_type, finish_reason, byok, dlp_action,
                user_agent
            )
        ) as unusual,
        case
            when length(id) = 26 and not regexp_matches(id, '[^0-9A-Za-z]') then null
            when length(id) = 36 and not regexp_matches(id, '[^0-9a-f-]') then null
            else id
        end as other_id,
        if(model_place > 0, null, model) as other_model
    from placed
),
joined as (
    select
        *,
        concat(
            meta_trace, ' ', event_id, ' ', meta_conversation, ' ', meta_prompt, ' ', meta_tenant, ' ',
            meta_workflow, ' ', unusual, ' ', other_id, ' ', other_model, ' ', gateway
        ) as words,
        greatest(
            strlen(meta_trace),
            strlen(event_id),
            strlen(meta_conversation),
            strlen(meta_prompt),
            strlen(meta_tenant),
            strlen(meta_workflow),
            strlen(unusual),
            strlen(other_id),
            strlen(other_model),
            strlen(gateway)
        ) as longest
    from picked
)
select
    * exclude (unusual, other_id, other_model, words, longest),
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
