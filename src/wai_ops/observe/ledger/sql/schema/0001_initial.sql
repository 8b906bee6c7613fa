-- Ledger, version 1. Times are naive UTC. No keys: a fact is identified by (outbox_id, seq) and the fold
-- mark decides what has been loaded; a primary key costs half the speed and ten times the memory.

-- One row an attempt; the columns are the fields of AttemptRecord, in its order.
create table attempt (
    attempt_id varchar not null,
    run_id varchar not null,
    started_at timestamp not null,
    finished_at timestamp,
    tenant varchar not null,
    workflow varchar not null,
    conversation_id varchar not null,
    turn_index bigint not null,
    attempt bigint not null,
    prompt_name varchar not null,
    prompt_version varchar not null,
    requested_model varchar not null,
    served_model varchar,
    target varchar not null,
    endpoint varchar not null,
    gateway_id varchar,
    streamed boolean not null,
    http_status bigint,
    error_type varchar,
    error_code bigint,
    error_message varchar,
    finish_reason varchar,
    log_id varchar,
    event_id varchar,
    ray_id varchar,
    gateway_cache_hit boolean,
    input_tokens bigint,
    cached_input_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    max_output_tokens bigint,
    connect_ms double,
    ttft_ms double,
    duration_ms double,
    tpot_ms double,
    itl_p50_ms double,
    itl_p95_ms double,
    chunk_count bigint,
    affinity_epoch bigint,
    affinity_result varchar,
    affinity_cause varchar,
    cacheable_tokens bigint,
    cost_state varchar not null,
    cost_usd decimal(18, 12),
    neurons decimal(24, 12),
    in_usd_per_m decimal(18, 12),
    cached_in_usd_per_m decimal(18, 12),
    out_usd_per_m decimal(18, 12),
    price_source varchar,
    price_as_of varchar,
    request_sha256 varchar,
    response_sha256 varchar,
    wai_version varchar not null
);

-- One row for every epoch that an affinity session began.
create table session_event (
    affinity_key varchar not null,
    tenant varchar not null,
    workflow varchar not null,
    conversation_id varchar not null,
    epoch bigint not null,
    reason varchar not null,
    occurred_at timestamp not null
);

-- Facts of kinds that this version does not know. A newer one reads them when it rebuilds.
create table other_event (
    outbox_id varchar not null,
    seq bigint not null,
    kind varchar not null,
    payload varchar not null
);

-- Facts of known kinds that could not be read: counted, reported, never dropped.
create table quarantine (
    outbox_id varchar not null,
    seq bigint not null,
    kind varchar not null,
    payload varchar not null,
    reason varchar not null,
    quarantined_at timestamp not null
);

-- What has been loaded: every row of this outbox up to and including folded_through.
create table fold_mark (
    outbox_id varchar primary key,
    folded_through bigint not null,
    folded_at timestamp not null
);

create table wai_meta (
    key varchar primary key,
    value varchar not null
);
