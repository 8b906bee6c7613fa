-- Ledger, version 2: what the gateway says, beside what the client recorded. Times are naive UTC.

-- One row one HTTP request that reached the gateway, or that a client sent: the client's attempt and
-- the gateway's log row as one, joined when the later of the two is loaded. Nothing here is computed
-- at query time, so that a report is one scan. No keys: a gateway row is known by its log_id, and
-- replaced by a windowed delete and insert.
create table model_call (
    -- The attempts of one model request share it. Computed when read, never stored.
    request_id varchar generated always as (coalesce(run_id, event_id, log_id, attempt_id)) virtual,
    -- The first and the last attempt of their request, as far as the ledger knows.
    is_first boolean not null,
    is_last boolean not null,
    -- 'client+gateway', 'gateway only' or 'client only'.
    sources varchar not null,
    -- Ids do not compress, and trying takes longer than anything else that is stored.
    log_id varchar using compression uncompressed,
    attempt_id varchar using compression uncompressed,
    run_id varchar using compression uncompressed,
    event_id varchar using compression uncompressed,
    -- The provider attempt within one gateway request, counted from 0.
    step bigint,
    -- The client's start; else the gateway's created_at minus its duration.
    started_at timestamp not null,
    -- The gateway's own time: the end of the request, as far as anybody has observed.
    created_at timestamp,
    -- The five keys; null where the traffic does not carry them.
    tenant varchar,
    workflow varchar,
    conversation_id varchar,
    turn_index bigint,
    attempt bigint,
    prompt_name varchar,
    prompt_version varchar,
    -- 'complete', 'partial' or 'missing'.
    contract varchar not null,
    gateway_id varchar,
    provider varchar,
    -- The model that answered, else the one that was asked for.
    model varchar,
    requested_model varchar,
    -- 'cloudflare' or 'local'.
    target varchar,
    -- The route: the client's endpoint, else the gateway's path.
    endpoint varchar,
    streamed boolean,
    http_status bigint,
    -- A failure class; null when the call succeeded.
    error_type varchar,
    error_code bigint,
    error_message varchar,
    finish_reason varchar,
    gateway_cache_hit boolean,
    -- Usage as best known, and who said it: 'client', 'gateway usage' or 'gateway tokens'.
    usage_source varchar,
    input_tokens bigint,
    cached_input_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    max_output_tokens bigint,
    ttft_ms double,
    duration_ms double,
    tpot_ms double,
    affinity_epoch bigint,
    affinity_result varchar,
    affinity_cause varchar,
    cacheable_tokens bigint,
    -- As core.money.CostState: what the call costs by our own prices, and the rates it was priced at.
    cost_state varchar not null,
    cost_usd decimal(18, 12),
    neurons decimal(24, 12),
    in_usd_per_m decimal(18, 12),
    cached_in_usd_per_m decimal(18, 12),
    out_usd_per_m decimal(18, 12),
    price_source varchar,
    price_as_of varchar,
    -- The gateway's words, unchanged. usage_* are undocumented and may be missing.
    gateway_cost_usd decimal(18, 12),
    gateway_custom_cost boolean,
    gateway_input_tokens bigint,
    gateway_output_tokens bigint,
    usage_input_tokens bigint,
    usage_output_tokens bigint,
    usage_cached_input_tokens bigint,
    usage_reasoning_tokens bigint,
    gateway_duration_ms bigint,
    -- timings.latency: undocumented, probably the time to the first byte.
    gateway_latency_ms double,
    request_type varchar,
    model_type varchar,
    wholesale boolean,
    byok varchar,
    dlp_action varchar,
    user_agent varchar,
    feedback bigint,
    score double,
    -- Where the gateway row came from, such as 'logs api' or 'logpush'; null for a client's alone.
    ingest_source varchar,
    ingested_at timestamp
);

-- Facts that somebody recorded, never inferred. The latest of a conversation counts.
create table outcome (
    tenant varchar not null,
    workflow varchar not null,
    conversation_id varchar not null,
    -- 'resolved', 'failed' or 'abandoned'.
    outcome varchar not null,
    value_usd decimal(18, 12),
    note varchar,
    -- 'recorded', 'imported' or 'feedback'.
    source varchar not null,
    recorded_at timestamp not null
);

-- One call of a tool that a model asked for.
create table tool_call (
    tool_call_id varchar,
    request_id varchar,
    log_id varchar,
    tenant varchar,
    workflow varchar,
    conversation_id varchar,
    turn_index bigint,
    model varchar,
    tool_name varchar not null,
    -- The part of the name before the first '.', '/', ':' or '__'.
    tool_family varchar not null,
    arguments_sha256 varchar,
    started_at timestamp not null,
    duration_ms double,
    error_type varchar,
    -- Of the turn that asked for the tool, shared evenly by the calls of that turn.
    output_tokens double,
    decision_id varchar,
    source varchar not null
);

-- What was decided before something was done.
create table decision (
    decision_id varchar not null,
    occurred_at timestamp not null,
    policy_version varchar not null,
    verdict varchar not null,
    rule varchar,
    action varchar not null,
    justification varchar,
    actor varchar,
    run_id varchar,
    tenant varchar,
    workflow varchar,
    conversation_id varchar,
    turn_index bigint,
    request_sha256 varchar,
    result_sha256 varchar
);

-- The price book that gateway rows were priced at: the newest row not after the call's day, by model.
create table price (
    model varchar not null,
    -- The first UTC day on which it holds.
    since date not null,
    neurons_in_per_m decimal(24, 12) not null,
    neurons_cached_in_per_m decimal(24, 12),
    neurons_out_per_m decimal(24, 12),
    in_usd_per_m decimal(18, 12) not null,
    cached_in_usd_per_m decimal(18, 12) not null,
    out_usd_per_m decimal(18, 12),
    price_source varchar not null,
    price_as_of varchar not null
);

-- Bodies that were asked for, redacted before they were written.
create table body (
    log_id varchar not null,
    created_at timestamp not null,
    -- 'request' or 'response'.
    kind varchar not null,
    content varchar not null,
    is_truncated boolean not null,
    redacted_count bigint not null,
    fetched_at timestamp not null
);

-- One closed window of a gateway's log: what was read, and what the gateway said there was.
create table ingest_window (
    gateway_id varchar not null,
    source varchar not null,
    since timestamp not null,
    until timestamp not null,
    row_count bigint not null,
    -- result_info.total_count at the end of the reading; null where the source has no count.
    reported_count bigint,
    page_count bigint not null,
    duplicate_count bigint not null,
    -- Of a second reading: rows and fields that were not there the first time.
    late_row_count bigint not null,
    late_field_count bigint not null,
    -- Rows whose cost or usage was still missing.
    pending_count bigint not null,
    has_usage_metadata boolean,
    has_timings boolean,
    -- The source may have left rows out.
    is_sampled boolean not null,
    -- When the reading began.
    pulled_at timestamp not null
);

-- How far a gateway's log has been read for good, by source.
create table ingest_mark (
    gateway_id varchar not null,
    source varchar not null,
    since timestamp not null,
    through timestamp not null,
    marked_at timestamp not null
);

-- One file that was imported, known by its content.
create table ingest_file (
    sha256 varchar not null,
    path varchar not null,
    format varchar not null,
    size_bytes bigint not null,
    row_count bigint not null,
    inserted_count bigint not null,
    duplicate_count bigint not null,
    quarantined_count bigint not null,
    -- Of the object that it came from, so that it need not be fetched again; null for a local file.
    etag varchar,
    imported_at timestamp not null
);

-- Lines of imported files, and rows of pages, that could not be read.
create table ingest_quarantine (
    origin varchar not null,
    line bigint not null,
    reason varchar not null,
    -- Redacted, and cut.
    content varchar not null,
    quarantined_at timestamp not null
);

-- How many rows somebody else counts, by gateway and UTC day: the other half of completeness.
create table gateway_count (
    gateway_id varchar not null,
    day date not null,
    -- 'graphql' or 'result_info'.
    source varchar not null,
    counted bigint not null,
    -- Rows before this instant were counted: the end of the day, or earlier.
    counted_until timestamp not null,
    -- False while the source may still be catching up.
    is_settled boolean not null,
    asked_at timestamp not null
);

-- What redaction removed on the way in.
create table redaction (
    origin varchar not null,
    kind varchar not null,
    removed_count bigint not null,
    redacted_at timestamp not null
);

-- Day roll-ups: derived from model_call, made anew for every day in rollup_dirty before they are read.
-- A report by one thing reads the rows of that grain alone, and the other names are null in them:
-- all combinations of names would soon be as many rows as there are calls.
create table rollup_day (
    -- 'tenant', 'workflow', 'model', 'prompt', or 'route' for route, gateway and target together.
    grain varchar not null,
    -- The UTC day of started_at.
    day date not null,
    tenant varchar,
    workflow varchar,
    model varchar,
    -- name@version
    prompt varchar,
    endpoint varchar,
    gateway_id varchar,
    target varchar,
    call_count bigint not null,
    run_count bigint not null,
    failed_count bigint not null,
    -- Calls that failed and are the last of their run.
    failed_run_count bigint not null,
    -- Calls that another attempt of their run followed (not is_last): what is left ended a run.
    retry_count bigint not null,
    both_count bigint not null,
    gateway_only_count bigint not null,
    client_only_count bigint not null,
    contract_missing_count bigint not null,
    local_count bigint not null,
    gateway_cache_hit_count bigint not null,
    input_tokens hugeint not null,
    -- Input of the calls that report cached tokens at all.
    cache_reported_input_tokens hugeint not null,
    cache_reported_count bigint not null,
    cached_input_tokens hugeint not null,
    -- The same three without what the gateway answered from its own cache: there no prefix was read.
    prefix_input_tokens hugeint not null,
    prefix_count bigint not null,
    prefix_cached_tokens hugeint not null,
    output_tokens hugeint not null,
    reasoning_tokens hugeint not null,
    estimated_count bigint not null,
    metered_count bigint not null,
    confirmed_count bigint not null,
    unknown_count bigint not null,
    none_count bigint not null,
    -- Unknown for want of a price, as opposed to want of usage.
    unpriced_count bigint not null,
    -- Calls with input tokens from anybody: the others may still report no cached tokens.
    usage_count bigint not null,
    -- Every 'price_source of price_as_of' that these costs were priced at, sorted.
    price_sources varchar[] not null,
    estimated_cost_usd decimal(38, 12),
    metered_cost_usd decimal(38, 12),
    confirmed_cost_usd decimal(38, 12),
    -- Metered, confirmed and none; null where no call of the group has a known cost.
    cost_usd decimal(38, 12),
    neurons decimal(38, 12),
    -- Of them, those that a local emulator counted and nobody bills.
    local_neurons decimal(38, 12),
    gateway_cost_usd decimal(38, 12),
    -- Waste, each call in the first class that fits: retried, failed run, truncated.
    retried_cost_usd decimal(38, 12),
    failed_run_cost_usd decimal(38, 12),
    truncated_cost_usd decimal(38, 12),
    -- Input that could have been cached and was not, at the difference of the two rates.
    cold_prefix_cost_usd decimal(38, 12),
    -- What cached input saved, at the difference of the two rates.
    cache_saved_usd decimal(38, 12),
    denied_count bigint not null,
    hit_count bigint not null,
    partial_count bigint not null,
    miss_count bigint not null
);

-- Failures by class and day.
create table rollup_failure (
    -- 'tenant', 'workflow', 'model' or 'route'; see rollup_day.
    grain varchar not null,
    day date not null,
    tenant varchar,
    workflow varchar,
    model varchar,
    endpoint varchar,
    error_type varchar not null,
    call_count bigint not null,
    -- Runs of which this was the last attempt.
    failed_run_count bigint not null,
    cost_usd decimal(38, 12),
    first_at timestamp not null,
    last_at timestamp not null
);

-- Exact histograms: values rounded to three significant digits, which commutes with nearest rank.
create table rollup_latency (
    -- 'workflow' or 'model'; see rollup_day.
    grain varchar not null,
    day date not null,
    workflow varchar,
    model varchar,
    -- 'ttft', 'duration' or 'tpot'.
    measure varchar not null,
    value_ms double not null,
    call_count bigint not null
);

create table rollup_dirty (
    day date not null
);

-- The gateway's side of a row that was matched by its metadata and not by its log_id, as it was
-- before: another match may turn out to be the right one.
create table matched_by_key as
select * exclude (request_id) from model_call limit 0;

-- Three significant digits, half away from zero: how every duration is rounded before it is ranked.
-- Monotone, so the quantile of rounded values is the rounded quantile.
create macro three_digits(x) as
    case
        when x >= 1000 then round(x, 2 - floor(log10(x))::integer)
        when x >= 100 then round(x)
        when x >= 10 then round(x * 10) / 10
        else round(x * 100) / 100
    end;

-- A cost of our own becomes confirmed when the gateway's, which must not be a custom one, agrees.
create macro cost_state_of(cost_usd, gateway_cost_usd, is_custom) as
    case
        when not coalesce(is_custom, false)
            and abs(gateway_cost_usd - cost_usd) <= greatest(0.000000001, cost_usd * 0.001)
        then 'confirmed'
        else 'metered'
    end;

-- An integer over a power of ten as a decimal of no places, halves to the even neighbour, as Python does.
create macro half_even(x, unit) as (
    x // unit
    + case
        when (x % unit) * 2 > unit or ((x % unit) * 2 = unit and (x // unit) % 2 = 1) then 1
        else 0
    end
)::decimal(26, 0);

-- Millionths of a neuron as dollars.
create macro usd_of_fine(x) as
    ((x * 11)::decimal(26, 0) * 0.000000000001)::decimal(18, 12);

-- What reports and roll-ups add up: the same expressions for both, so that they agree.
create view call_fact as
select
    *,
    started_at::date as day,
    prompt_name || coalesce('@' || prompt_version, '') as prompt,
    error_type is not null as is_failed,
    coalesce(
        error_type in (
            'spend_limit', 'policy_denied', 'guardrail', 'dlp', 'local_policy', 'local_budget'
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
        then (
            (least(cacheable_tokens, input_tokens) - coalesce(cached_input_tokens, 0))::decimal(13, 0)
            * (in_usd_per_m - cached_in_usd_per_m) * 0.000001
        )::decimal(38, 12)
    end as cold_prefix_cost_usd,
    case
        when cached_input_tokens > 0 and cost_state in ('metered', 'confirmed')
        then (
            least(cached_input_tokens, input_tokens)::decimal(13, 0)
            * (in_usd_per_m - cached_in_usd_per_m) * 0.000001
        )::decimal(38, 12)
    end as cache_saved_usd
from model_call;

-- One row a model request: its attempts joined.
create view request as
select
    request_id,
    min(started_at) as started_at,
    max(started_at + to_microseconds((coalesce(duration_ms, 0) * 1000)::bigint)) as finished_at,
    case
        when count(distinct sources) = 1 then any_value(sources)
        else 'mixed'
    end as sources,
    any_value(tenant) as tenant,
    any_value(workflow) as workflow,
    any_value(conversation_id) as conversation_id,
    any_value(turn_index) as turn_index,
    any_value(prompt_name || coalesce('@' || prompt_version, '')) as prompt,
    any_value(gateway_id) as gateway_id,
    arg_max(model, (attempt, step)) as model,
    arg_max(endpoint, (attempt, step)) as endpoint,
    count(*) as attempt_count,
    arg_max(coalesce(error_type, ''), (coalesce(attempt, 1), coalesce(step, 0))) as last_error_type,
    sum(input_tokens)::bigint as input_tokens,
    sum(cached_input_tokens)::bigint as cached_input_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(cost_usd) filter (cost_state in ('metered', 'confirmed', 'none')) as cost_usd,
    count(*) filter (cost_state = 'unknown') as unknown_cost_count,
    sum(gateway_cost_usd) as gateway_cost_usd
from model_call
group by request_id;

-- One row a turn of a conversation.
create view turn as
select
    tenant,
    workflow,
    conversation_id,
    turn_index,
    min(started_at) as started_at,
    count(*) as call_count,
    count(distinct request_id) as request_count,
    count(error_type) as failed_count,
    sum(input_tokens)::bigint as input_tokens,
    sum(cached_input_tokens)::bigint as cached_input_tokens,
    sum(output_tokens)::bigint as output_tokens,
    any_value(affinity_result) filter (is_last) as affinity_result,
    any_value(affinity_cause) filter (is_last) as affinity_cause,
    sum(cost_usd) filter (cost_state in ('metered', 'confirmed', 'none')) as cost_usd,
    count(*) filter (cost_state = 'unknown') as unknown_cost_count
from model_call
where conversation_id is not null
group by tenant, workflow, conversation_id, turn_index;

-- The outcome that counts for each conversation.
create view last_outcome as
select
    tenant,
    workflow,
    conversation_id,
    -- Of two at the same instant, the one that was loaded last.
    arg_max(outcome, (recorded_at, rowid)) as outcome,
    -- A null would make arg_max fall back to an older record.
    arg_max({'v': value_usd}, (recorded_at, rowid)).v as value_usd,
    arg_max({'v': note}, (recorded_at, rowid)).v as note,
    arg_max(source, (recorded_at, rowid)) as source,
    max(recorded_at) as recorded_at
from outcome
group by tenant, workflow, conversation_id;

-- One row a conversation, with the outcome that was recorded for it.
create view workflow_run as
select
    c.*,
    o.outcome,
    o.value_usd,
    o.source as outcome_source,
    o.recorded_at as outcome_at
from (
    select
        tenant,
        workflow,
        conversation_id,
        min(started_at) as started_at,
        max(started_at) as last_at,
        count(distinct turn_index) as turn_count,
        count(distinct request_id) as request_count,
        count(*) as call_count,
        count(error_type) as failed_count,
        sum(input_tokens)::bigint as input_tokens,
        sum(cached_input_tokens)::bigint as cached_input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cost_usd) filter (cost_state in ('metered', 'confirmed', 'none')) as cost_usd,
        count(*) filter (cost_state = 'unknown') as unknown_cost_count
    from model_call
    where conversation_id is not null
    group by tenant, workflow, conversation_id
) as c
left join last_outcome as o using (tenant, workflow, conversation_id);
