-- Count one attempt; decimal_add is the store's own function, exact on decimal text.
insert into truth values (
    :hour_at, :gateway_id, :tenant, :workflow, :prompt, :provider, :model, :status_code, :cached,
    :wholesale, :requests, :attempts, :tokens_in, :cached_tokens_in, :tokens_out,
    :reasoning_tokens_out, :cost, :neurons, :unpriced_attempts
)
on conflict do update set
    requests = requests + excluded.requests,
    attempts = attempts + excluded.attempts,
    tokens_in = tokens_in + excluded.tokens_in,
    cached_tokens_in = cached_tokens_in + excluded.cached_tokens_in,
    tokens_out = tokens_out + excluded.tokens_out,
    reasoning_tokens_out = reasoning_tokens_out + excluded.reasoning_tokens_out,
    cost = decimal_add(cost, excluded.cost),
    neurons = decimal_add(neurons, excluded.neurons),
    unpriced_attempts = unpriced_attempts + excluded.unpriced_attempts
