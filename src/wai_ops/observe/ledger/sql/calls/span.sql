-- The times of the rows after $boundary, and a day on both sides for clocks and retries.
select min(started_at) - interval 1 day, max(started_at) + interval 1 day
from stored_call
where rowid > $boundary
