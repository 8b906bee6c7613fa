-- What says nothing new goes again.
delete from stored_call
where rowid > $boundary and rowid in (select new_row from held where is_same or is_stale)
