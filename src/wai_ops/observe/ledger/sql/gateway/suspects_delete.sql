-- Their places, now that they are there themselves.
delete from model_call where rowid > $boundary and sources = 'second look'
