-- The times of the rows that are to be kept.
select min(created_at), max(created_at), count(*)
from model_call
where rowid > $boundary and sources = 'gateway only'
