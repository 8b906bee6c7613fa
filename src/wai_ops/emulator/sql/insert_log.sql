-- One gateway log row, written when its request has ended, unless the gateway is full and keeps
-- its oldest rows.
insert into log (
    id, gateway_id, event_id, created_at, provider, model, model_type, path, request_type,
    request_content_type, response_content_type, status_code, success, cached, tokens_in,
    tokens_out, cached_tokens_in, reasoning_tokens_out, cost, custom_cost, metadata, step,
    duration, latency, authentication, wholesale, user_agent, feedback, score,
    request_size, response_size, request_head, response_head,
    compatibility_mode, byok, dlp_action, dlp_profiles, guardrails, prompts, visible_at, fields_at
)
select
    :id, :gateway_id, :event_id, :created_at, :provider, :model, :model_type, :path, :request_type,
    :request_content_type, :response_content_type, :status_code, :success, :cached, :tokens_in,
    :tokens_out, :cached_tokens_in, :reasoning_tokens_out, :cost, :custom_cost, :metadata, :step,
    :duration, :latency, :authentication, :wholesale, :user_agent, :feedback, :score,
    :request_size, :response_size, :request_head, :response_head,
    :compatibility_mode, :byok, :dlp_action, :dlp_profiles, :guardrails, :prompts, :visible_at,
    :fields_at
where :full_at is null
    or coalesce((select stored from log_count where gateway_id = :gateway_id), 0) < :full_at
