-- One gateway log row, written when its request has ended.
insert into log values (
    :id, :gateway_id, :event_id, :created_at, :provider, :model, :model_type, :path, :request_type,
    :request_content_type, :response_content_type, :status_code, :success, :cached, :tokens_in,
    :tokens_out, :cached_tokens_in, :reasoning_tokens_out, :cost, :custom_cost, :metadata, :step,
    :duration, :latency, :authentication, :wholesale, :user_agent, :feedback, :score,
    :request_size, :response_size, :request_head, :response_head
)
