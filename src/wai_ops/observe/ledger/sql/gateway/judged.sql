-- Where a line's model stands in the price lists, whether its texts are the usual ones, and which lines
-- need a second look, in Python: those that may hold a secret, and failures with more than a status. The
-- texts that are usual in this batch were looked at before it.
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
        provider is not distinct from getvariable('usual').provider
            and path is not distinct from getvariable('usual').path
            and request_type is not distinct from getvariable('usual').request_type
            and model_type is not distinct from getvariable('usual').model_type
            and finish_reason is not distinct from getvariable('usual').finish_reason
            and byok is not distinct from getvariable('usual').byok
            and dlp_action is not distinct from getvariable('usual').dlp_action
            and user_agent is not distinct from getvariable('usual').user_agent
            and gateway is not distinct from getvariable('usual').gateway as has_usual_texts
    from named
),
picked as (
    select
        *,
        if(
            has_usual_texts,
            null,
            concat_ws(
                ' ', provider, path, request_type, model_type, finish_reason, byok, dlp_action,
                user_agent, gateway
            )
        ) as unusual,
        if(model_place > 0, null, model) as other_model
    from placed
),
joined as (
    select
        *,
        concat(
            meta_trace, ' ', event_id, ' ', id, ' ', meta_conversation, ' ', meta_prompt, ' ',
            meta_tenant, ' ', meta_workflow, ' ', unusual, ' ', other_model
        ) as words,
        greatest(
            strlen(meta_trace),
            strlen(event_id),
            strlen(id),
            strlen(meta_conversation),
            strlen(meta_prompt),
            strlen(meta_tenant),
            strlen(meta_workflow),
            strlen(unusual),
            strlen(other_model)
        ) as longest
    from picked
)
select
    * exclude (unusual, other_model, words, longest),
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
