-- How often a request found its conversation's earlier one in the cache, of all prompts but one, by
-- model: what a prompt that never let any be found can hope for.
with answered as (
    select
        model,
        cached_input_tokens,
        lag(input_tokens) over (
            partition by tenant, workflow, conversation_id order by started_at
        ) as previous_tokens
    from model_call
    where prompt_name <> $prompt
        -- The cases of `wai prompts compare` are nobody's traffic.
        and workflow is distinct from 'compare'
        and started_at >= $since
        and started_at < $until
        and conversation_id is not null
        and gateway_cache_hit is distinct from true
        and cost_state <> 'none'
        and cached_input_tokens is not null
        and input_tokens is not null
)
select
    model,
    count(*) as later_count,
    count(*) filter (cached_input_tokens > previous_tokens - 2 * $block_tokens) as warm_count
from answered
where previous_tokens is not null and model is not null
group by model
order by model
