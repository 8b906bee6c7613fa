-- How much traffic one prompt had, by workflow: everything, answered or not.
with one_conversation as (
    select
        workflow,
        tenant,
        conversation_id,
        count(*) as call_count,
        count(distinct request_id) as request_count,
        count(*) filter (gateway_cache_hit) as gateway_cache_hit_count,
        count(*) filter (
            gateway_cache_hit is distinct from true
            and (input_tokens is null or output_tokens is null or cost_state = 'none')
        ) as uncounted_count,
        count(*) filter (
            split_part(prompt_version, '+', 1) is not distinct from $version
        ) as basis_count,
        count(*) filter (target = 'local') as local_count,
        max(coalesce(turn_index, 0)) as last_turn_index,
        min(started_at) as first_at,
        max(started_at) as last_at
    from model_call
    where prompt_name = $prompt
        -- The cases of `wai prompts compare` are nobody's traffic.
        and workflow is distinct from 'compare'
        and started_at >= $since
        and started_at < $until
    group by workflow, tenant, conversation_id
)
select
    workflow,
    sum(call_count)::bigint as call_count,
    sum(request_count)::bigint as request_count,
    count(conversation_id) as conversation_count,
    count(conversation_id) filter (last_at >= $live_since) as live_conversation_count,
    sum(gateway_cache_hit_count)::bigint as gateway_cache_hit_count,
    sum(uncounted_count)::bigint as uncounted_count,
    sum(basis_count)::bigint as basis_count,
    sum(local_count)::bigint as local_count,
    -- Whether conversations go on at all here.
    coalesce(max(last_turn_index), 0) > 0 as has_turns,
    min(first_at) as first_at
from one_conversation
group by workflow
order by call_count desc, workflow
