-- One row by its id.
select * from log where gateway_id = :gateway_id and id = :id
