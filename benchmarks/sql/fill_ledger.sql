-- Calls as a ledger holds them, from nothing but their numbers; every second one was matched.
create or replace temp view new_call as
with numbered as (
    select
        i,
        hash(i) as h,
        hash(i + 1000000007) as h2,
        hash(i // 3) as hc,
        getvariable('start')::timestamp + to_microseconds(i * getvariable('step_us')::bigint) as moment
    from range(getvariable('row_count')::bigint) as t (i)
),
shaped as (
    select
        *,
        i % 2 = 0 as is_matched,
        h % 100 < 3 as is_failed,
        i % 20 = 0 as is_retry,
        (100 + (h >> 24) % 4000)::bigint as input_tokens,
        (20 + (h >> 40) % 900)::bigint as output_tokens,
        (400 + (h2 >> 8) % 9000)::double as duration_ms,
        1 + ((h2 >> 24) % 6)::integer as model_number
    from numbered
),
priced as (
    select
        *,
        case when not is_failed and h2 % 2 = 0 then input_tokens * (h2 % 90)::bigint // 100 else 0 end
            as cached,
        [86364, 127273, 13636, 40000, 40909, 25608][model_number] as rate_in,
        [14545, 23636, 2727, 1273, 40909, 25608][model_number] as rate_cached,
        [363636, 400000, 45455, 120000, 290909, 75147][model_number] as rate_out,
        case
            when is_failed then 0
            else (input_tokens - cached) * rate_in + cached * rate_cached + output_tokens * rate_out
        end as micro_neurons
    from shaped
)
select
    not is_retry as is_first,
    true as is_last,
    if(is_matched, 'client+gateway', 'gateway only') as sources,
    format('0199{:04x}-{:04x}-7{:03x}-8{:03x}-{:012x}',
        (i >> 16) % 65536, i % 65536, h % 4096, h2 % 4096, (h2 >> 12) % 281474976710656) as log_id,
    if(is_matched, format('0199{:04x}-{:04x}-7{:03x}-b{:03x}-{:012x}',
        (i >> 16) % 65536, i % 65536, h % 4096, h2 % 4096, (h2 >> 12) % 281474976710656), null)
        as attempt_id,
    format('0199{:04x}-{:04x}-7{:03x}-a{:03x}-{:012x}',
        (i >> 16) % 65536, i % 65536, h % 4096, h2 % 4096, (h2 >> 12) % 281474976710656) as run_id,
    0 as step,
    moment as started_at,
    moment + to_milliseconds(duration_ms::bigint) as created_at,
    'tenant-' || (hc >> 8) % 40 as tenant,
    'workflow-' || (hc >> 16) % 12 as workflow,
    format('{:08x}', hc % 4294967296) as conversation_id,
    i % 3 as turn_index,
    if(is_retry, 2, 1) as attempt,
    'prompt-' || (h2 >> 32) % 30 as prompt_name,
    (1 + (h2 >> 40) % 3)::varchar as prompt_version,
    'complete' as contract,
    'default' as gateway_id,
    'workers-ai' as provider,
    [
        '@cf/moonshotai/kimi-k2.6', '@cf/zai-org/glm-5.3', '@cf/zai-org/glm-5.3-flash',
        '@cf/deepseek-ai/deepseek-v4-flash-0731', '@cf/qwen/qwen3.8-27b',
        '@cf/meta/llama-3.1-8b-instruct'
    ][model_number] as model,
    if(is_matched, model, null) as requested_model,
    'cloudflare' as target,
    ['/ai/v1/chat/completions', '/ai/run', '/compat/chat/completions'][1 + (h2 % 3)::integer] as endpoint,
    if(is_matched, h % 2 = 0, null) as streamed,
    case when is_failed then [429, 500, 400][1 + (h2 % 3)::integer] else 200 end as http_status,
    case when is_failed then ['capacity', 'server_error', 'bad_request'][1 + (h2 % 3)::integer] end
        as error_type,
    if(is_failed, null, 'stop') as finish_reason,
    false as gateway_cache_hit,
    if(is_matched, 'client', 'gateway usage') as usage_source,
    if(is_failed, null, input_tokens) as input_tokens,
    if(is_failed, null, cached) as cached_input_tokens,
    if(is_failed, null, output_tokens) as output_tokens,
    if(is_failed, null, 0) as reasoning_tokens,
    if(is_matched and not is_failed, duration_ms / 5, null) as ttft_ms,
    duration_ms,
    if(is_matched and not is_failed, duration_ms * 0.8 / output_tokens, null) as tpot_ms,
    if(is_matched, 1, null) as affinity_epoch,
    case
        when not is_matched or is_failed then null
        when cached = 0 then 'miss'
        when h2 % 4 = 0 then 'hit'
        else 'partial'
    end as affinity_result,
    if(affinity_result = 'miss', 'cold', null) as affinity_cause,
    if(is_matched, input_tokens * 3 // 4, null) as cacheable_tokens,
    if(is_failed, 'none', if(is_matched, 'confirmed', 'metered')) as cost_state,
    ((micro_neurons * 11)::decimal(18, 0) * 0.000000000001)::decimal(18, 12) as cost_usd,
    (micro_neurons::decimal(18, 0) * 0.000001)::decimal(24, 12) as neurons,
    (rate_in * 0.000011)::decimal(18, 12) as in_usd_per_m,
    (rate_cached * 0.000011)::decimal(18, 12) as cached_in_usd_per_m,
    (rate_out * 0.000011)::decimal(18, 12) as out_usd_per_m,
    'built-in' as price_source,
    '2026-08-28' as price_as_of,
    ((micro_neurons * 11)::decimal(18, 0) * 0.000000000001)::decimal(18, 12) as gateway_cost_usd,
    false as gateway_custom_cost,
    if(is_failed, 0, input_tokens) as gateway_input_tokens,
    if(is_failed, 0, output_tokens) as gateway_output_tokens,
    if(is_failed, null, input_tokens) as usage_input_tokens,
    if(is_failed, null, output_tokens) as usage_output_tokens,
    if(is_failed, null, cached) as usage_cached_input_tokens,
    if(is_failed, null, 0) as usage_reasoning_tokens,
    duration_ms::bigint as gateway_duration_ms,
    duration_ms / 5 as gateway_latency_ms,
    'chat' as request_type,
    'text-generation' as model_type,
    false as wholesale,
    'wai/0.1' as user_agent,
    'logs api' as ingest_source,
    moment + interval 1 minute as ingested_at
from priced;
insert into stored_call by name from stored_form('new_call')
