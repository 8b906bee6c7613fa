-- One attempt, for the analytics datasets.
insert into fact (
    at, gateway_id, provider, model, status_code, error_code, cached, rate_limited, attempted,
    duration_ms, tokens_in, tokens_out, cost, neurons, request_bytes, response_bytes, user_agent,
    wholesale, metadata
)
values (
    :at, :gateway_id, :provider, :model, :status_code, :error_code, :cached, :rate_limited,
    :attempted, :duration_ms, :tokens_in, :tokens_out, :cost, :neurons, :request_bytes,
    :response_bytes, :user_agent, :wholesale, :metadata
)
