-- Every call of one conversation, in order.
select
    started_at, turn_index, attempt, step, sources, model, endpoint, streamed, http_status,
    error_type, error_message, finish_reason, gateway_cache_hit, affinity_result, affinity_cause,
    input_tokens, cached_input_tokens, output_tokens, ttft_ms,
    coalesce(duration_ms, gateway_duration_ms) as duration_ms,
    cost_state, cost_usd, log_id, run_id, feedback
from model_call
where tenant is not distinct from $tenant
    and workflow is not distinct from $workflow
    and conversation_id = $conversation_id
order by started_at, turn_index, attempt, step, log_id
