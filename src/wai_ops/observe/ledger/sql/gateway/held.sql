-- The rows of the batch that the ledger holds already, and how the two differ. Of a row that was
-- matched, the gateway's own words are compared: the rest is the client's. The texts in `common` are
-- taken apart only where they differ; see stored_form for their numbers.
create or replace temp table held as
with told as (
    select
        *,
        rowid as row_number,
        [
            told_by_gateway(common, rare, rare[1].told.input_tokens, input_tokens),
            told_by_gateway(common, rare, rare[1].told.output_tokens, output_tokens),
            told_as_usage(common, rare, rare[1].told.usage_input_tokens, input_tokens),
            told_as_usage(common, rare, rare[1].told.usage_output_tokens, output_tokens),
            told_as_usage(
                common, rare, rare[1].told.usage_cached_input_tokens, cached_input_tokens
            ),
            told_as_usage(common, rare, rare[1].told.usage_reasoning_tokens, reasoning_tokens),
            told_by_gateway(common, rare, rare[1].told.duration_ms, duration_ms::bigint)
        ] as told
    from stored_call
),
old as (
    from told
    where row_number <= $boundary
        and not starts_with(common, 'client only')
        and created_at between $since and $until
),
new as (
    from told where row_number > $boundary
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
        or (old.told[3] is not null and new.told[3] is null)
        or (old.told[1] is not null and new.told[1] is null)
    ) as is_stale,
    (
        (old.gateway_cost_usd is null and new.gateway_cost_usd is not null)
        or (old.told[3] is null and new.told[3] is not null)
        or (old.told[1] is null and new.told[1] is not null)
    ) as is_late,
    (
        (
            old.created_at, old.gateway_cost_usd, old.gateway_latency_ms, old.told,
            old.rare[1].feedback, old.rare[1].score
        ) is not distinct from (
            new.created_at, new.gateway_cost_usd, new.gateway_latency_ms, new.told,
            new.rare[1].feedback, new.rare[1].score
        )
        and case
            when old.common = new.common then true
            -- contract, custom cost, wholesale, step, the two types, byok, DLP, user agent
            when old.attempt_id is not null
                then list_select(string_split(old.common, chr(31)), [2, 15, 16, 18, 23, 24, 26, 27, 28])
                    = list_select(string_split(new.common, chr(31)), [2, 15, 16, 18, 23, 24, 26, 27, 28])
            -- and status, model, provider, endpoint, finish reason, gateway, failure, cache hit
            else list_select(
                string_split(old.common, chr(31)),
                [2, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]
            ) = list_select(
                string_split(new.common, chr(31)),
                [2, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]
            )
        end
        and (
            old.attempt_id is not null
            or (
                old.run_id, old.event_id, old.tenant, old.workflow, old.conversation_id,
                old.turn_index, old.attempt, old.prompt, old.rare[1].error_code,
                old.rare[1].error_message
            ) is not distinct from (
                new.run_id, new.event_id, new.tenant, new.workflow, new.conversation_id,
                new.turn_index, new.attempt, new.prompt, new.rare[1].error_code,
                new.rare[1].error_message
            )
        )
    ) as is_same
from old
join new using (log_id)
