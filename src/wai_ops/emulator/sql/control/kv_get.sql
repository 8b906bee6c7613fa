-- One pair that has not expired.
select * from kv_value
where namespace_id = :namespace_id and key = :key and (expires_at is null or expires_at > :now)
