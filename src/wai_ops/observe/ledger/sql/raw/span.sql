-- The times of the rows that are to be kept.
select min(created_at), max(created_at), count(*)
from stored_call
where rowid > $boundary and starts_with(common, 'gateway only' || chr(31))
