-- The rows of the batch that the ledger holds already, and how the two differ. Of a row that was
-- matched, the gateway's own words are compared: the rest is the client's.
create or replace temp table held as
with old as (
    select * exclude (request_id)
    from numbered_call
    where row_number <= $boundary and ingest_source is not null and created_at between $since and $until
),
new as (
    select * exclude (request_id) from numbered_call where row_number > $boundary
)
select
    log_id,
    old.row_number as old_row,
    new.row_number as new_row,
    old.attempt_id,
    old.started_at::date as old_day,
    hash(coalesce(old.run_id, old.event_id, old.log_id)) as old_request,
    (
        (old.gateway_cost_usd is not null and new.gateway_cost_usd is null)
        or (old.usage_input_tokens is not null and new.usage_input_tokens is null)
        or (old.gateway_input_tokens is not null and new.gateway_input_tokens is null)
    ) as is_stale,
    (
        (old.gateway_cost_usd is null and new.gateway_cost_usd is not null)
        or (old.usage_input_tokens is null and new.usage_input_tokens is not null)
        or (old.gateway_input_tokens is null and new.gateway_input_tokens is not null)
    ) as is_late,
    (
        (
            old.created_at, old.step, old.contract, old.gateway_cost_usd, old.gateway_custom_cost,
            old.gateway_input_tokens, old.gateway_output_tokens, old.usage_input_tokens,
            old.usage_output_tokens, old.usage_cached_input_tokens, old.usage_reasoning_tokens,
            old.gateway_duration_ms, old.gateway_latency_ms, old.request_type, old.model_type,
            old.wholesale, old.byok, old.dlp_action, old.user_agent, old.feedback, old.score
        ) is not distinct from (
            new.created_at, new.step, new.contract, new.gateway_cost_usd, new.gateway_custom_cost,
            new.gateway_input_tokens, new.gateway_output_tokens, new.usage_input_tokens,
            new.usage_output_tokens, new.usage_cached_input_tokens, new.usage_reasoning_tokens,
            new.gateway_duration_ms, new.gateway_latency_ms, new.request_type, new.model_type,
            new.wholesale, new.byok, new.dlp_action, new.user_agent, new.feedback, new.score
        )
        and (
            old.attempt_id is not null
            or (
                old.run_id, old.event_id, old.tenant, old.workflow, old.conversation_id,
                old.turn_index, old.attempt, old.prompt_name, old.prompt_version, old.gateway_id,
                old.provider, old.model, old.endpoint, old.http_status, old.error_type,
                old.error_code, old.error_message, old.finish_reason, old.gateway_cache_hit
            ) is not distinct from (
                new.run_id, new.event_id, new.tenant, new.workflow, new.conversation_id,
                new.turn_index, new.attempt, new.prompt_name, new.prompt_version, new.gateway_id,
                new.provider, new.model, new.endpoint, new.http_status, new.error_type,
                new.error_code, new.error_message, new.finish_reason, new.gateway_cache_hit
            )
        )
    ) as is_same
from old
join new using (log_id)
