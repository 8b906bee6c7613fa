-- All pairs of a namespace go.
delete from kv_value where namespace_id = :namespace_id
