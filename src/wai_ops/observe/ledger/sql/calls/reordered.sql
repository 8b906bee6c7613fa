-- Rows that are no longer, or not yet, known as the first or the last one of their request.
create or replace temp table reordered as
select
    row_number,
    started_at::date as day,
    row_number() over request = 1 as is_now_first,
    row_number() over request = count(*) over (partition by request_id) as is_now_last
from numbered_call
where started_at between $since and $until
    and hash(request_id) in (from repeated)
window request as (
    partition by request_id
    order by coalesce(attempt, 1), coalesce(step, 0), coalesce(created_at, started_at), log_id,
        attempt_id
)
qualify is_first is distinct from is_now_first or is_last is distinct from is_now_last
