-- Kept rows that the ledger does not hold, as new ones. Parts of version 4 and before have the columns of
-- `model_call`, newer ones those that are stored: of version 5 with three texts less in `common`.
create or replace temp view kept_call as
from (
    from read_parquet(getvariable('kept_files')::varchar[], union_by_name = true)
    union all by name
    (from matched_by_key limit 0)
    union all by name
    (from stored_call limit 0)
)
where log_id not in (
    select log_id from model_call where ingest_source is not null and log_id is not null
);
create or replace temp view new_call as
select * exclude (common, rare, prompt) from kept_call where common is null;
insert into stored_call by name from stored_form('new_call');
insert into stored_call by name
select
    is_first, is_last, log_id, attempt_id, run_id, event_id, started_at, created_at, tenant,
    workflow, conversation_id, turn_index, attempt, prompt, input_tokens, cached_input_tokens,
    output_tokens, reasoning_tokens, ttft_ms, duration_ms, tpot_ms, cacheable_tokens, cost_usd,
    neurons, gateway_cost_usd, gateway_latency_ms, ingested_at, common, rare
from kept_call
where len(string_split(common, chr(31))) > 28;
insert into stored_call by name
select
    is_first, is_last, log_id, attempt_id, run_id, event_id, started_at, created_at, tenant,
    workflow, conversation_id, turn_index, attempt, prompt, input_tokens, cached_input_tokens,
    output_tokens, reasoning_tokens, ttft_ms, duration_ms, tpot_ms, cacheable_tokens, cost_usd,
    neurons, gateway_cost_usd, gateway_latency_ms, ingested_at,
    concat_ws(
        chr(31),
        common,
        common_text(gateway_id),
        common_text(error_type),
        common_text(gateway_cache_hit)
    ) as common,
    rare_of(
        rare[1].error_code,
        rare[1].error_message,
        rare[1].max_output_tokens,
        rare[1].affinity_epoch,
        rare[1].feedback,
        rare[1].score,
        told_of(
            'gateway only', common_at(common, 4), input_tokens, cached_input_tokens, output_tokens,
            reasoning_tokens, duration_ms, gateway_input_tokens, gateway_output_tokens,
            usage_input_tokens, usage_output_tokens, usage_cached_input_tokens,
            usage_reasoning_tokens, gateway_duration_ms
        )
    ) as rare
from kept_call
where len(string_split(common, chr(31))) = 28
