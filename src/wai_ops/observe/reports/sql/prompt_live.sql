-- The last answered request of each conversation that may go on, by workflow and model: what of it is
-- warm now. Of workflows whose conversations have one request each, none goes on.
with one_conversation as (
    select
        workflow,
        tenant,
        conversation_id,
        arg_max(model, started_at) as model,
        arg_max(input_tokens, started_at) as input_tokens,
        -- Null where the model does not report cached tokens: then nobody knows what is warm.
        arg_max(cached_input_tokens, started_at) as cached_input_tokens,
        max(coalesce(turn_index, 0)) as last_turn_index,
        max(started_at) as last_at
    from model_call
    where prompt_name = $prompt
        -- The cases of `wai prompts compare` are nobody's traffic.
        and workflow is distinct from 'compare'
        and started_at >= $since
        and started_at < $until
        and conversation_id is not null
        and gateway_cache_hit is distinct from true
        and model is not null
        and input_tokens is not null
        and cost_state <> 'none'
    group by workflow, tenant, conversation_id
)
select
    workflow,
    model,
    count(*) as conversation_count,
    -- In whole blocks; never less than what both versions begin with.
    sum(greatest(input_tokens // $block_tokens * $block_tokens, $kept_tokens))::bigint
        as warm_tokens
from one_conversation
where last_at >= $live_since
    and cached_input_tokens is not null
    and workflow in (select workflow from one_conversation where last_turn_index > 0)
group by workflow, model
order by workflow, model
