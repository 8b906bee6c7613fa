-- Ledger, version 5: the same calls in half as many columns. A column takes as long to store when every
-- row says the same, and most rows say the same in most of them.

alter table model_call rename to call_of_version_4;

-- What is stored of each call. Statements that write calls name this table; those that read, the view
-- `model_call`, or `numbered_call` where they need to name a row.
create table stored_call (
    is_first boolean not null,
    is_last boolean not null,
    -- Ids do not compress, and trying takes longer than anything else that is stored.
    log_id varchar using compression uncompressed,
    attempt_id varchar using compression uncompressed,
    run_id varchar using compression uncompressed,
    event_id varchar using compression uncompressed,
    started_at timestamp not null,
    created_at timestamp,
    tenant varchar,
    workflow varchar,
    conversation_id varchar using compression uncompressed,
    turn_index bigint,
    attempt bigint,
    -- name@version
    prompt varchar,
    gateway_id varchar,
    error_type varchar,
    gateway_cache_hit boolean,
    input_tokens bigint,
    cached_input_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    ttft_ms double,
    duration_ms double,
    tpot_ms double,
    cacheable_tokens bigint,
    cost_usd decimal(18, 12),
    neurons decimal(24, 12),
    gateway_cost_usd decimal(18, 12),
    gateway_input_tokens bigint,
    gateway_output_tokens bigint,
    usage_input_tokens bigint,
    usage_output_tokens bigint,
    usage_cached_input_tokens bigint,
    usage_reasoning_tokens bigint,
    gateway_duration_ms bigint,
    gateway_latency_ms double,
    ingested_at timestamp,
    -- What a call has in common with many others, as texts with U+001F between them, in the order of
    -- `stored_form`. DuckDB keeps each distinct one once, and takes it apart once. What is missing is
    -- empty, so that an empty text counts as missing.
    common varchar not null,
    -- What few calls have: null, or one element.
    rare struct(
        error_code bigint,
        error_message varchar,
        max_output_tokens bigint,
        affinity_epoch bigint,
        feedback bigint,
        score double
    )[]
);

-- The nth text of `common`; null: it is missing.
create macro common_at(common, n) as nullif(string_split(common, chr(31))[n], '');

-- The calls with every name that they had before, and the number of each row.
create view numbered_call as
select
    rowid as row_number,
    coalesce(run_id, event_id, log_id, attempt_id) as request_id,
    is_first,
    is_last,
    -- The first text, found in any row at once: loading asks for it before the texts are packed.
    case
        when starts_with(common, 'gateway only') then 'gateway only'
        when starts_with(common, 'client+gateway') then 'client+gateway'
        when starts_with(common, 'client only') then 'client only'
    end as sources,
    log_id,
    attempt_id,
    run_id,
    event_id,
    try_cast(common_at(common, 18) as bigint) as step,
    started_at,
    created_at,
    tenant,
    workflow,
    conversation_id,
    turn_index,
    attempt,
    if(
        contains(prompt, '@'),
        left(prompt, length(prompt) - length(string_split(prompt, '@')[-1]) - 1),
        prompt
    ) as prompt_name,
    if(contains(prompt, '@'), string_split(prompt, '@')[-1], null) as prompt_version,
    common_at(common, 2) as contract,
    gateway_id,
    common_at(common, 21) as provider,
    common_at(common, 20) as model,
    common_at(common, 19) as requested_model,
    common_at(common, 5) as target,
    common_at(common, 22) as endpoint,
    try_cast(common_at(common, 14) as boolean) as streamed,
    try_cast(common_at(common, 17) as bigint) as http_status,
    error_type,
    rare[1].error_code as error_code,
    rare[1].error_message as error_message,
    common_at(common, 25) as finish_reason,
    gateway_cache_hit,
    common_at(common, 4) as usage_source,
    input_tokens,
    cached_input_tokens,
    output_tokens,
    reasoning_tokens,
    rare[1].max_output_tokens as max_output_tokens,
    ttft_ms,
    duration_ms,
    tpot_ms,
    rare[1].affinity_epoch as affinity_epoch,
    common_at(common, 12) as affinity_result,
    common_at(common, 13) as affinity_cause,
    cacheable_tokens,
    common_at(common, 3) as cost_state,
    cost_usd,
    neurons,
    try_cast(common_at(common, 9) as decimal(18, 12)) as in_usd_per_m,
    try_cast(common_at(common, 10) as decimal(18, 12)) as cached_in_usd_per_m,
    try_cast(common_at(common, 11) as decimal(18, 12)) as out_usd_per_m,
    common_at(common, 7) as price_source,
    common_at(common, 8) as price_as_of,
    gateway_cost_usd,
    try_cast(common_at(common, 15) as boolean) as gateway_custom_cost,
    gateway_input_tokens,
    gateway_output_tokens,
    usage_input_tokens,
    usage_output_tokens,
    usage_cached_input_tokens,
    usage_reasoning_tokens,
    gateway_duration_ms,
    gateway_latency_ms,
    common_at(common, 23) as request_type,
    common_at(common, 24) as model_type,
    try_cast(common_at(common, 16) as boolean) as wholesale,
    common_at(common, 26) as byok,
    common_at(common, 27) as dlp_action,
    common_at(common, 28) as user_agent,
    rare[1].feedback as feedback,
    rare[1].score as score,
    common_at(common, 6) as ingest_source,
    ingested_at
from stored_call;

-- The calls, as version 2 defines them column by column. Its name is what those ask who only read.
create view model_call as select * exclude (row_number) from numbered_call;

-- A value as one of the texts in `common`.
create macro common_text(x) as coalesce(replace(x::varchar, chr(31), ' '), '');

-- A rate as one of them.
create macro common_rate(x) as coalesce(rtrim(rtrim(x::varchar, '0'), '.'), '');

-- Calls as they are stored, from a table or view of that name with the columns of `model_call`; those
-- that it lacks are null.
create macro stored_form(calls) as table
select
    is_first,
    is_last,
    log_id,
    attempt_id,
    run_id,
    event_id,
    started_at,
    created_at,
    tenant,
    workflow,
    conversation_id,
    turn_index,
    attempt,
    prompt_name || coalesce('@' || prompt_version, '') as prompt,
    gateway_id,
    error_type,
    gateway_cache_hit,
    input_tokens,
    cached_input_tokens,
    output_tokens,
    reasoning_tokens,
    ttft_ms,
    duration_ms,
    tpot_ms,
    cacheable_tokens,
    cost_usd,
    neurons,
    gateway_cost_usd,
    gateway_input_tokens,
    gateway_output_tokens,
    usage_input_tokens,
    usage_output_tokens,
    usage_cached_input_tokens,
    usage_reasoning_tokens,
    gateway_duration_ms,
    gateway_latency_ms,
    ingested_at,
    concat_ws(
        chr(31),
        common_text(sources),
        common_text(contract),
        common_text(cost_state),
        common_text(usage_source),
        common_text(target),
        common_text(ingest_source),
        common_text(price_source),
        common_text(price_as_of),
        common_rate(in_usd_per_m),
        common_rate(cached_in_usd_per_m),
        common_rate(out_usd_per_m),
        common_text(affinity_result),
        common_text(affinity_cause),
        common_text(streamed),
        common_text(gateway_custom_cost),
        common_text(wholesale),
        common_text(http_status),
        common_text(step),
        common_text(requested_model),
        common_text(model),
        common_text(provider),
        common_text(endpoint),
        common_text(request_type),
        common_text(model_type),
        common_text(finish_reason),
        common_text(byok),
        common_text(dlp_action),
        common_text(user_agent)
    ) as common,
    if(
        error_code is null and error_message is null and max_output_tokens is null
            and affinity_epoch is null and feedback is null and score is null,
        null,
        [struct_pack(
            error_code := error_code,
            error_message := error_message,
            max_output_tokens := max_output_tokens,
            affinity_epoch := affinity_epoch,
            feedback := feedback,
            score := score
        )]
    ) as rare
from (from query_table(calls) union all by name (from matched_by_key limit 0)) as c;

insert into stored_call by name from stored_form('call_of_version_4');

drop table call_of_version_4;
