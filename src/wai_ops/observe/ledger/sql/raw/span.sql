-- The times of the rows that are to be kept.
select min(created_at), max(created_at), count(*)
from numbered_call
where row_number > $boundary and sources = 'gateway only'
