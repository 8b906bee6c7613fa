-- The rows of a gateway as they can be seen at :now: late rows are absent, late fields are null.
select
    id, gateway_id, event_id, created_at, provider, model, model_type, path, request_type,
    request_content_type, response_content_type, status_code, success, cached, custom_cost,
    step, duration, latency, authentication, wholesale, user_agent, feedback, score,
    request_size, response_size, request_head, compatibility_mode, byok, dlp_action, dlp_profiles,
    guardrails, prompts,
    case when fields_at <= :now or not :late_tokens_in then tokens_in end as tokens_in,
    case when fields_at <= :now or not :late_tokens_out then tokens_out end as tokens_out,
    case
        when fields_at <= :now or not (:late_tokens_in or :late_tokens_out)
            then tokens_in + tokens_out
    end as tokens,
    case when fields_at <= :now or not :late_usage_metadata then tokens_in end as usage_in,
    case when fields_at <= :now or not :late_usage_metadata then tokens_out end as usage_out,
    cached_tokens_in,
    reasoning_tokens_out,
    case when fields_at <= :now or not :late_cost then cost end as cost,
    case when fields_at <= :now or not :late_cost then cast(cost as real) end as cost_usd,
    case when fields_at <= :now or not :late_metadata then metadata end as metadata,
    case when fields_at <= :now or not :late_response_head then response_head end as response_head,
    case when fields_at <= :now or not :late_complete then 1 end as has_response_flag
from log
where gateway_id = :gateway_id and visible_at <= :now and created_at >= :oldest
