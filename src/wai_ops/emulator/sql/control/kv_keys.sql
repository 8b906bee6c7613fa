-- Keys that begin with :prefix, after :after, in the order of their bytes; values stay unread.
select key, metadata, expires_at from kv_value
where namespace_id = :namespace_id and key > :after
    and substr(key, 1, length(:prefix)) = :prefix
    and (expires_at is null or expires_at > :now)
order by key
limit :most
