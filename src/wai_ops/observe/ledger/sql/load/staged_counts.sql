-- How many rows of each known kind were staged.
select
    count(*) filter (kind = 'attempt') as attempt_count,
    count(*) filter (kind = 'session') as session_count
from staged
