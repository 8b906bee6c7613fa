-- ... and one row comes in their place. What the client saw wins, what it did not see the gateway
-- tells; the gateway's own words stay beside it.
create or replace temp view new_call as
select
    true as is_first,
    true as is_last,
    'client+gateway' as sources,
    g.log_id,
    c.attempt_id,
    c.run_id,
    coalesce(c.event_id, g.event_id) as event_id,
    g.step,
    c.started_at,
    g.created_at,
    c.tenant,
    c.workflow,
    c.conversation_id,
    c.turn_index,
    c.attempt,
    c.prompt_name,
    c.prompt_version,
    g.contract,
    coalesce(g.gateway_id, c.gateway_id) as gateway_id,
    coalesce(g.provider, c.provider) as provider,
    -- The model that the client was told of, if it is another than it asked for; else the log's.
    if(c.model is distinct from c.requested_model, c.model, coalesce(g.model, c.model)) as model,
    c.requested_model,
    c.target,
    c.endpoint,
    c.streamed,
    coalesce(c.http_status, g.http_status) as http_status,
    case when c.error_type = 'unknown' then coalesce(g.error_type, 'unknown') else c.error_type end
        as error_type,
    coalesce(c.error_code, g.error_code) as error_code,
    coalesce(c.error_message, g.error_message) as error_message,
    coalesce(c.finish_reason, g.finish_reason) as finish_reason,
    coalesce(g.gateway_cache_hit, c.gateway_cache_hit) as gateway_cache_hit,
    coalesce(c.usage_source, g.usage_source) as usage_source,
    if(c.usage_source is null, g.input_tokens, c.input_tokens) as input_tokens,
    if(c.usage_source is null, g.cached_input_tokens, c.cached_input_tokens)
        as cached_input_tokens,
    if(c.usage_source is null, g.output_tokens, c.output_tokens) as output_tokens,
    if(c.usage_source is null, g.reasoning_tokens, c.reasoning_tokens) as reasoning_tokens,
    c.max_output_tokens,
    c.ttft_ms,
    coalesce(c.duration_ms, g.duration_ms) as duration_ms,
    c.tpot_ms,
    c.affinity_epoch,
    c.affinity_result,
    c.affinity_cause,
    c.cacheable_tokens,
    cost.state as cost_state,
    cost.cost_usd as cost_usd,
    cost.neurons as neurons,
    cost.in_usd_per_m as in_usd_per_m,
    cost.cached_in_usd_per_m as cached_in_usd_per_m,
    cost.out_usd_per_m as out_usd_per_m,
    cost.price_source as price_source,
    cost.price_as_of as price_as_of,
    g.gateway_cost_usd,
    g.gateway_custom_cost,
    g.gateway_input_tokens,
    g.gateway_output_tokens,
    g.usage_input_tokens,
    g.usage_output_tokens,
    g.usage_cached_input_tokens,
    g.usage_reasoning_tokens,
    g.gateway_duration_ms,
    g.gateway_latency_ms,
    g.request_type,
    g.model_type,
    g.wholesale,
    g.byok,
    g.dlp_action,
    g.user_agent,
    g.feedback,
    g.score,
    g.ingest_source,
    g.ingested_at
from client_half as c
join gateway_side as g on c.attempt_id = g.matched_id
cross join lateral (
    select
        struct_pack(
            state := c.cost_state, cost_usd := c.cost_usd, neurons := c.neurons,
            in_usd_per_m := c.in_usd_per_m, cached_in_usd_per_m := c.cached_in_usd_per_m,
            out_usd_per_m := c.out_usd_per_m, price_source := c.price_source,
            price_as_of := c.price_as_of
        ) as of_client,
        struct_pack(
            state := g.cost_state, cost_usd := g.cost_usd, neurons := g.neurons,
            in_usd_per_m := g.in_usd_per_m, cached_in_usd_per_m := g.cached_in_usd_per_m,
            out_usd_per_m := g.out_usd_per_m, price_source := g.price_source,
            price_as_of := g.price_as_of
        ) as of_gateway,
        struct_update(
            of_client, state := 'none', cost_usd := 0::decimal(18, 12), neurons := 0::decimal(24, 12)
        ) as free,
        case
            when g.gateway_cache_hit or c.gateway_cache_hit then free
            when c.cost_state = 'none' then of_client
            when c.cost_state in ('metered', 'confirmed') then struct_update(
                of_client,
                state := cost_state_of(c.cost_usd, g.gateway_cost_usd, g.gateway_custom_cost)
            )
            -- An outcome that the client never learned, or a guess: the gateway knows more.
            when g.cost_state <> 'unknown' then of_gateway
            else of_client
        end as cost
) as chosen;
insert into stored_call by name from stored_form('new_call')
