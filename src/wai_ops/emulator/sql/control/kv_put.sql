-- A new pair, or a new value with its metadata and expiration.
insert into kv_value values (:namespace_id, :key, :value, :metadata, :expires_at, :now)
on conflict (namespace_id, key) do update set
    value = :value, metadata = :metadata, expires_at = :expires_at, written_at = :now
