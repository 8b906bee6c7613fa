-- The rows of the batch that the ledger holds already, and how the two differ. Of a row that was
-- matched, the gateway's own words are compared: the rest is the client's. The texts in `common` are
-- taken apart only where they differ; see stored_form for their numbers.
create or replace temp table held as
with old as (
    select *, rowid as row_number
    from stored_call
    where rowid <= $boundary
        and not starts_with(common, 'client only')
        and created_at between $since and $until
),
new as (
    select *, rowid as row_number from stored_call where rowid > $boundary
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
            old.created_at, old.gateway_cost_usd, old.gateway_input_tokens,
            old.gateway_output_tokens, old.usage_input_tokens, old.usage_output_tokens,
            old.usage_cached_input_tokens, old.usage_reasoning_tokens, old.gateway_duration_ms,
            old.gateway_latency_ms, old.rare[1].feedback, old.rare[1].score
        ) is not distinct from (
            new.created_at, new.gateway_cost_usd, new.gateway_input_tokens,
            new.gateway_output_tokens, new.usage_input_tokens, new.usage_output_tokens,
            new.usage_cached_input_tokens, new.usage_reasoning_tokens, new.gateway_duration_ms,
            new.gateway_latency_ms, new.rare[1].feedback, new.rare[1].score
        )
        and case
            when old.common = new.common then true
            -- contract, custom cost, wholesale, step, the two types, byok, DLP, user agent
            when old.attempt_id is not null
                then list_select(string_split(old.common, chr(31)), [2, 15, 16, 18, 23, 24, 26, 27, 28])
                    = list_select(string_split(new.common, chr(31)), [2, 15, 16, 18, 23, 24, 26, 27, 28])
            -- and status, model, provider, endpoint, finish reason
            else list_select(
                string_split(old.common, chr(31)),
                [2, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28]
            ) = list_select(
                string_split(new.common, chr(31)),
                [2, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28]
            )
        end
        and (
            old.attempt_id is not null
            or (
                old.run_id, old.event_id, old.tenant, old.workflow, old.conversation_id,
                old.turn_index, old.attempt, old.prompt, old.gateway_id, old.error_type,
                old.gateway_cache_hit, old.rare[1].error_code, old.rare[1].error_message
            ) is not distinct from (
                new.run_id, new.event_id, new.tenant, new.workflow, new.conversation_id,
                new.turn_index, new.attempt, new.prompt, new.gateway_id, new.error_type,
                new.gateway_cache_hit, new.rare[1].error_code, new.rare[1].error_message
            )
        )
    ) as is_same
from old
join new using (log_id)
