-- Live state, version 1. One writer at a time (begin immediate), many readers (WAL).
create table meta (
    key text primary key,
    value text not null
) strict;

-- Finished facts on their way to the ledger. seq is never reused, so a fold mark stays true.
create table outbox (
    seq integer primary key autoincrement,
    kind text not null,
    payload text not null
) strict;

-- Attempts that were announced and have no outcome yet; owner_* tell whether their process lives.
create table inflight (
    attempt_id text primary key,
    owner text not null,
    payload text not null
) strict;

create table session (
    affinity_key text primary key,
    tenant text not null,
    workflow text not null,
    conversation_id text not null,
    epoch integer not null,
    reason text not null,
    created_at text not null,
    last_used_at text not null,
    request_count integer not null
) strict;

-- One exchange of a conversation. The JSON is kept as the exact text that was, or will be, sent.
create table turn (
    affinity_key text not null,
    turn_index integer not null,
    run_id text not null,
    owner text not null,
    state text not null check (state in ('open', 'done', 'partial', 'failed', 'lost')),
    model text not null,
    epoch integer not null,
    tools_json text,
    messages_json text not null,
    reply_json text,
    input_tokens integer,
    output_tokens integer,
    started_at text not null,
    finished_at text,
    primary key (affinity_key, turn_index)
) strict, without rowid;
