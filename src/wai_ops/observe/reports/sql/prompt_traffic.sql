-- The traffic of one prompt by workflow, model and how much of the input was cached: nothing, up to
-- the stable prefix, or beyond it, where a conversation's own history was found again. Only requests
-- that a model answered and counted; `prompt_counts.sql` has them all.
with answered as (
    select
        *,
        -- What the conversation's request before it could have left warm.
        case
            when turn_index > 0 and conversation_id is not null
            then lag(input_tokens) over (
                partition by tenant, workflow, conversation_id order by started_at
            )
        end as previous_tokens,
        -- The same, had the other version been sent from the beginning.
        previous_tokens + $opening_delta + turn_index * $turn_delta as after_previous_tokens
    from model_call
    where prompt_name = $prompt
        -- The cases of `wai prompts compare` are nobody's traffic.
        and workflow is distinct from 'compare'
        and started_at >= $since
        and started_at < $until
        and gateway_cache_hit is distinct from true
        and cost_state <> 'none'
        and model is not null
        and input_tokens is not null
        and output_tokens is not null
)
select
    workflow,
    model,
    -- Flags may have changed something: 3+model is still traffic of version 3.
    split_part(prompt_version, '+', 1) is not distinct from $version as is_basis,
    case
        when coalesce(cached_input_tokens, 0) = 0 then 'none'
        when cached_input_tokens > previous_tokens - 2 * $block_tokens then 'beyond'
        when cached_input_tokens <= $prefix_tokens then 'prefix'
        else 'beyond'
    end as reach,
    count(*) as call_count,
    coalesce(sum(turn_index), 0)::bigint as turn_sum,
    coalesce(sum(greatest(turn_index, 1)), 0)::bigint as cached_turn_sum,
    -- What those beyond the prefix would find: whole blocks of the other request before, less what
    -- they fell short of; where there is none, as much more as what they repeat has become longer.
    coalesce(
        sum(
            greatest(
                0,
                coalesce(
                    cached_input_tokens
                    + after_previous_tokens // $block_tokens * $block_tokens
                    - previous_tokens // $block_tokens * $block_tokens,
                    cached_input_tokens + $opening_delta + greatest(turn_index, 1) * $turn_delta
                )
            )
        ),
        0
    )::bigint as history_cached_tokens,
    -- Those with a request before them in their conversation, and what they could find of it.
    count(previous_tokens) filter (cached_input_tokens is not null) as later_count,
    coalesce(
        sum(greatest(after_previous_tokens, 0) // $block_tokens * $block_tokens) filter (
            cached_input_tokens is not null
        ),
        0
    )::bigint as possible_history_tokens,
    count(cached_input_tokens) as reported_count,
    sum(input_tokens)::bigint as input_tokens,
    coalesce(sum(least(cached_input_tokens, input_tokens)), 0)::bigint as cached_input_tokens,
    sum(output_tokens)::bigint as output_tokens,
    -- What is left of the output under another limit.
    sum(least(output_tokens, coalesce($output_limit, output_tokens)))::bigint
        as limited_output_tokens,
    count(*) filter (finish_reason = 'length') as cut_count
from answered
group by all
order by workflow, model, is_basis, reach
