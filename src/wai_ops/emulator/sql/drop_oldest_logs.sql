-- The oldest rows of a gateway that stores more than :row_limit, :chunk of them at once.
delete from log
where rowid in (
    select rowid from log where gateway_id = :gateway_id order by created_at, id limit :chunk
) and (select stored from log_count where gateway_id = :gateway_id) > :row_limit
