-- What is replaced.
delete from stored_call
where rowid <= $boundary
    and created_at between $since and $until
    and rowid in (select old_row from held where not (is_same or is_stale))
