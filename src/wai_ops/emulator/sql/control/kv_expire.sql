-- Pairs of a namespace that have expired go; done with each write.
delete from kv_value where namespace_id = :namespace_id and expires_at <= :now
