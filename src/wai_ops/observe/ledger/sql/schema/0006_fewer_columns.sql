-- Ledger, version 6: a fifth of the columns less. What the gateway told of a call was stored beside the
-- call itself, also where both say the same, which is the rule. And texts of which there are few kinds
-- are told by `common`.

create table call_of_version_6 (
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
        score double,
        -- The gateway's own words, where they are not those of the call itself: see told_by_gateway.
        told struct(
            input_tokens bigint,
            output_tokens bigint,
            usage_input_tokens bigint,
            usage_output_tokens bigint,
            usage_cached_input_tokens bigint,
            usage_reasoning_tokens bigint,
            duration_ms bigint
        )
    )[]
);

-- What the gateway told of a call, from what was kept of its own words and from the call itself: of a
-- call that only the gateway has told of, both are the same, unless its words were kept.
create macro told_by_gateway(common, rare, kept, own) as
    case
        when rare[1].told is not null then kept
        when starts_with(common, 'gateway only') then own
    end;

-- The same of its `usage_metadata`, which then was where the call's usage came from.
create macro told_as_usage(common, rare, kept, own) as
    case
        when rare[1].told is not null then kept
        when starts_with(common, 'gateway only') and common_at(common, 4) = 'gateway usage' then own
    end;

-- The gateway's own words as they are kept: null where the two macros above find them without.
create macro told_of(
    sources, usage_source, own_input, own_cached, own_output, own_reasoning, own_duration,
    input_tokens, output_tokens, usage_input, usage_output, usage_cached, usage_reasoning, duration
) as
    if(
        if(
            sources = 'gateway only',
            (own_input, own_output, own_duration::bigint)
                is not distinct from (input_tokens, output_tokens, duration)
            and if(
                coalesce(usage_source = 'gateway usage', false),
                (own_input, own_output, own_cached, own_reasoning)
                    is not distinct from (usage_input, usage_output, usage_cached, usage_reasoning),
                coalesce(usage_input, usage_output, usage_cached, usage_reasoning) is null
            ),
            coalesce(
                input_tokens, output_tokens, usage_input, usage_output, usage_cached,
                usage_reasoning, duration
            ) is null
        ),
        null,
        struct_pack(
            input_tokens := input_tokens::bigint,
            output_tokens := output_tokens::bigint,
            usage_input_tokens := usage_input::bigint,
            usage_output_tokens := usage_output::bigint,
            usage_cached_input_tokens := usage_cached::bigint,
            usage_reasoning_tokens := usage_reasoning::bigint,
            duration_ms := duration::bigint
        )
    );

-- What few calls have, as it is kept.
create macro rare_of(
    error_code, error_message, max_output_tokens, affinity_epoch, feedback, score, told
) as
    if(
        coalesce(error_code, max_output_tokens, affinity_epoch, feedback) is null
            and error_message is null and score is null and told is null,
        null,
        [struct_pack(
            error_code := error_code,
            error_message := error_message,
            max_output_tokens := max_output_tokens,
            affinity_epoch := affinity_epoch,
            feedback := feedback,
            score := score,
            told := told
        )]
    );

-- Calls as they are stored, from a table or view of that name with the columns of `model_call`; those
-- that it lacks are null.
create or replace macro stored_form(calls) as table
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
        common_text(user_agent),
        common_text(error_type),
        common_text(gateway_cache_hit)
    ) as common,
    rare_of(
        error_code,
        error_message,
        max_output_tokens,
        affinity_epoch,
        feedback,
        score,
        told_of(
            sources, usage_source, input_tokens, cached_input_tokens, output_tokens,
            reasoning_tokens, duration_ms, gateway_input_tokens, gateway_output_tokens,
            usage_input_tokens, usage_output_tokens, usage_cached_input_tokens,
            usage_reasoning_tokens, gateway_duration_ms
        )
    ) as rare
from (from query_table(calls) union all by name (from matched_by_key limit 0)) as c;

insert into call_of_version_6 by name from stored_form('model_call');

drop table stored_call;

alter table call_of_version_6 rename to stored_call;

-- The calls with every name that they had before, the number of each row, and the prompt in one text.
create or replace view numbered_call as
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
    prompt,
    common_at(common, 2) as contract,
    gateway_id,
    common_at(common, 21) as provider,
    common_at(common, 20) as model,
    common_at(common, 19) as requested_model,
    common_at(common, 5) as target,
    common_at(common, 22) as endpoint,
    try_cast(common_at(common, 14) as boolean) as streamed,
    try_cast(common_at(common, 17) as bigint) as http_status,
    common_at(common, 29) as error_type,
    rare[1].error_code as error_code,
    rare[1].error_message as error_message,
    common_at(common, 25) as finish_reason,
    try_cast(common_at(common, 30) as boolean) as gateway_cache_hit,
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
    told_by_gateway(common, rare, rare[1].told.input_tokens, input_tokens) as gateway_input_tokens,
    told_by_gateway(common, rare, rare[1].told.output_tokens, output_tokens) as gateway_output_tokens,
    told_as_usage(common, rare, rare[1].told.usage_input_tokens, input_tokens) as usage_input_tokens,
    told_as_usage(common, rare, rare[1].told.usage_output_tokens, output_tokens)
        as usage_output_tokens,
    told_as_usage(common, rare, rare[1].told.usage_cached_input_tokens, cached_input_tokens)
        as usage_cached_input_tokens,
    told_as_usage(common, rare, rare[1].told.usage_reasoning_tokens, reasoning_tokens)
        as usage_reasoning_tokens,
    told_by_gateway(common, rare, rare[1].told.duration_ms, duration_ms::bigint)
        as gateway_duration_ms,
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
create or replace view model_call as select * exclude (row_number, prompt) from numbered_call;

-- So many tokens at the difference of two rates, in US dollars a million. Where both are whole millionths,
-- which is the rule, 64 bits hold it exactly; rounding 128 takes ten times as long.
create macro saved_usd(tokens, usd_per_m, other_usd_per_m) as
    case
        when usd_per_m < 200 and usd_per_m % 0.000001 = 0 and other_usd_per_m % 0.000001 = 0
            and tokens between 0 and 4294967296
            then (
                tokens * (
                    (usd_per_m::double * 1000000)::bigint - (other_usd_per_m::double * 1000000)::bigint
                )
            )::decimal(18, 0) * 0.000000000001
        else (
            tokens::decimal(13, 0) * (usd_per_m - other_usd_per_m) * 0.000001
        )::decimal(38, 12)
    end;

-- What reports and roll-ups add up: the same expressions for both, so that they agree.
create or replace view call_fact as
select
    * exclude (row_number),
    started_at::date as day,
    error_type is not null as is_failed,
    coalesce(
        -- A list of texts after `in` would be a join.
        list_contains(
            ['spend_limit', 'policy_denied', 'guardrail', 'dlp', 'local_policy', 'local_budget'],
            error_type
        ),
        false
    ) as is_denied,
    cost_state in ('metered', 'confirmed', 'none') as is_cost_known,
    case when cost_state in ('metered', 'confirmed', 'none') then cost_usd end as known_cost_usd,
    case when cost_state in ('metered', 'confirmed', 'none') then neurons end as known_neurons,
    -- The first class that fits: an attempt that another one followed, the last one of a run that
    -- failed, an answer that was cut.
    case
        when not is_last then 'retried'
        when error_type is not null and error_type <> 'output_truncated' then 'failed run'
        when error_type = 'output_truncated' or finish_reason = 'length' then 'truncated'
    end as waste,
    -- Of a miss or a partial hit: what could have been cached and was not, at the difference of rates.
    case
        when affinity_result in ('miss', 'partial')
            and cacheable_tokens > coalesce(cached_input_tokens, 0)
            and cost_state in ('metered', 'confirmed')
        then saved_usd(
            least(cacheable_tokens, input_tokens) - coalesce(cached_input_tokens, 0),
            in_usd_per_m,
            cached_in_usd_per_m
        )
    end as cold_prefix_cost_usd,
    case
        when cached_input_tokens > 0 and cost_state in ('metered', 'confirmed')
        then saved_usd(
            least(cached_input_tokens, input_tokens), in_usd_per_m, cached_in_usd_per_m
        )
    end as cache_saved_usd
from numbered_call;
