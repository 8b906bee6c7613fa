-- One pair goes.
delete from kv_value where namespace_id = :namespace_id and key = :key
