-- The state of one emulator folder: who it is, its gateways, and their log rows.
-- Times are ISO 8601 text in UTC with milliseconds, so that they sort; flags are 0 or 1.
create table identity (
    name text primary key,
    value text not null
) strict;

create table gateway (
    id text primary key,
    settings text not null,
    created_at text not null,
    modified_at text not null
) strict;

create table log (
    id text primary key,
    gateway_id text not null,
    event_id text not null,
    created_at text not null,
    provider text not null,
    model text not null,
    model_type text,
    path text not null,
    request_type text,
    request_content_type text,
    response_content_type text,
    status_code integer not null,
    success integer not null,
    cached integer not null,
    tokens_in integer,
    tokens_out integer,
    cached_tokens_in integer,
    reasoning_tokens_out integer,
    -- Exact decimal text; null where the model has no published price.
    cost text,
    custom_cost integer not null,
    metadata text,
    step integer not null,
    duration integer not null,
    latency integer not null,
    authentication integer not null,
    wholesale integer not null,
    user_agent text,
    feedback integer,
    score real,
    request_size integer not null,
    response_size integer not null,
    request_head text not null,
    response_head text not null
) strict;

create index log_by_time on log (gateway_id, created_at, id);
