-- The rows of a gateway that has gone.
delete from log where gateway_id = :id
