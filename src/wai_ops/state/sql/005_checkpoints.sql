-- Summaries that stand for the turns before them. A row is written before the call that makes the
-- summary; its text comes in one step with the state `made`, and only then is it ever sent.
create table checkpoint (
    affinity_key text not null,
    checkpoint_id text not null,
    state text not null check (state in ('making', 'made', 'skipped', 'lost')),
    owner text not null,
    -- The last turn that the summary stands for, and the last one that there was.
    covers_turn_index integer not null,
    after_turn_index integer not null,
    -- The conversation of the calls that make it, and what they are made with.
    conversation_id text not null,
    model text not null,
    prompt_name text not null,
    prompt_version text not null,
    prompt_sha256 text not null,
    -- The messages that stand in place of the turns: the exact text that is sent.
    messages_json text,
    summary text,
    facts_json text,
    replaced_json text,
    -- Estimates: what the turns that it covers take, and what the summary takes instead.
    tokens_before integer,
    tokens_after integer,
    -- 1e-12 dollars.
    cost_pico integer,
    cost_state text,
    reason text,
    created_at text not null,
    finished_at text,
    primary key (affinity_key, checkpoint_id)
) strict, without rowid;
-- The checkpoint that a turn's request was sent with. Null: none, the whole history.
alter table turn add column checkpoint_id text;
alter table turn add column cached_input_tokens integer;
-- What all attempts of the turn cost together, in 1e-12 dollars, and how far that can be believed.
alter table turn add column cost_pico integer;
alter table turn add column cost_state text;
-- Requests from this turn on leave the exchange out: the user took it back. Null: it stands.
alter table turn add column undone_from integer;
-- The key that goes on the wire in place of the session's own while this epoch lasts: a fork goes to
-- the replica that is warm with what it shares with its parent.
alter table session add column wire_key text;
-- Where a conversation was forked from. Its turns up to that one are copies: they cost nothing here.
create table fork (
    affinity_key text primary key,
    parent_key text not null,
    at_turn_index integer not null,
    forked_at text not null
) strict;
