-- Log bodies, retention, lag; and what was served, kept apart from what the logs tell.
alter table log add column compatibility_mode integer not null default 0;
alter table log add column byok text;
alter table log add column dlp_action text;
alter table log add column dlp_profiles text;
alter table log add column guardrails text;
alter table log add column prompts text;
-- From when on the row can be seen, and from when on its cost and usage: '' is always.
alter table log add column visible_at text not null default '';
alter table log add column fields_at text not null default '';

-- What a page skips and a count passes over is decided within the index alone.
drop index log_by_time;
create index log_by_time on log (gateway_id, created_at, id, visible_at);

create table log_body (
    log_id text primary key,
    request blob not null,
    response blob not null
) strict;

-- How many rows each gateway stores: retention asks with every row, and counting would be slow.
create table log_count (
    gateway_id text primary key,
    stored integer not null
) strict;

insert into log_count select gateway_id, count(*) from log group by gateway_id;

create trigger log_counted after insert on log begin
    insert into log_count values (new.gateway_id, 1)
    on conflict (gateway_id) do update set stored = stored + 1;
end;

create trigger log_dropped after delete on log begin
    update log_count set stored = stored - 1 where gateway_id = old.gateway_id;
    delete from log_body where log_id = old.id;
end;

-- One attempt of one call, logged or not: what the analytics datasets are made of.
create table fact (
    id integer primary key,
    at text not null,
    -- Null for a direct call.
    gateway_id text,
    provider text not null,
    model text not null,
    status_code integer not null,
    error_code integer,
    cached integer not null,
    rate_limited integer not null,
    -- Whether a model was asked at all.
    attempted integer not null,
    duration_ms integer not null,
    tokens_in integer not null,
    tokens_out integer not null,
    -- Exact decimal text; null where nobody knows the price.
    cost text,
    neurons text,
    request_bytes integer not null,
    response_bytes integer not null,
    user_agent text,
    wholesale integer not null,
    metadata text
) strict;

create index fact_by_time on fact (at);

-- The emulator's own counters, by hour; '' stands for a label that was not sent.
create table truth (
    hour_at text not null,
    gateway_id text not null,
    tenant text not null,
    workflow text not null,
    prompt text not null,
    provider text not null,
    model text not null,
    status_code integer not null,
    cached integer not null,
    wholesale integer not null,
    requests integer not null,
    attempts integer not null,
    tokens_in integer not null,
    cached_tokens_in integer not null,
    tokens_out integer not null,
    reasoning_tokens_out integer not null,
    -- Exact decimal text, and how many attempts have no known price.
    cost text not null,
    neurons text not null,
    unpriced_attempts integer not null,
    primary key (
        hour_at, gateway_id, tenant, workflow, prompt, provider, model, status_code, cached,
        wholesale
    )
) strict, without rowid;
