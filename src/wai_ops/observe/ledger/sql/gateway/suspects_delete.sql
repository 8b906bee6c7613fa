-- Their places, now that they are there themselves.
delete from stored_call where rowid > $boundary and common = 'second look'
