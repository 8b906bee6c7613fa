-- What the control plane keeps: settings as JSON documents, KV values and Worker modules as bytes.
create table document (
    -- Grows, so that it tells the order in which documents were made.
    seq integer primary key autoincrement,
    kind text not null,
    -- What it belongs to: a gateway, a route, a Worker; '' is the account.
    parent text not null,
    id text not null,
    body text not null,
    created_at text not null,
    modified_at text not null,
    unique (kind, parent, id)
) strict;

create table kv_value (
    namespace_id text not null,
    -- Compared by its UTF-8 bytes, which is how the API sorts keys.
    key text not null,
    value blob not null,
    metadata text,
    -- Unix seconds.
    expires_at integer,
    written_at real not null,
    primary key (namespace_id, key)
) strict;

create table worker_module (
    script text not null,
    version_id text not null,
    position integer not null,
    name text not null,
    content_type text not null,
    content blob not null,
    primary key (script, version_id, position)
) strict;

create index kv_expiring on kv_value (namespace_id, expires_at) where expires_at is not null;
