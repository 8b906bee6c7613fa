-- Ledger, version 3: how many conversations there were, and how they ended, without reading every call.
-- Derived, and kept only once an outcome was recorded: see conversations.py.

-- What a conversation is known by here: a digest of its three names, each with its length before it,
-- so that no two conversations spell the same text. The same in every version of DuckDB.
create macro conversation_key(tenant, workflow, conversation_id) as md5_number(
    coalesce(length(tenant)::varchar || ':' || tenant, '-')
    || coalesce(length(workflow)::varchar || ':' || workflow, '-')
    || conversation_id
);

-- One row a conversation and UTC day on which it has a call.
create table conversation_day (
    day date not null,
    conversation uhugeint not null,
    tenant varchar,
    workflow varchar,
    -- The last day before this one on which it has a call.
    previous_day date
);

-- The outcome that counts, of each conversation that has one.
create table conversation_outcome (
    conversation uhugeint not null,
    outcome varchar not null
);

-- The same, counted. The conversations of any days [a, b) are those rows of these days whose
-- previous day is before a, or none: each of them once, on its first day in there.
create table rollup_conversation (
    -- 'tenant' or 'workflow', as in rollup_day.
    grain varchar not null,
    day date not null,
    tenant varchar,
    workflow varchar,
    previous_day date,
    outcome varchar,
    conversation_count bigint not null
);

-- Days whose calls have changed since.
create table conversation_stale (
    day date not null
);

-- Conversations of which an outcome was recorded or removed since.
create table outcome_dirty (
    tenant varchar not null,
    workflow varchar not null,
    conversation_id varchar not null
);
