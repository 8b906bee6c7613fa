-- Which row of a request comes first, and which last: of all requests.
update stored_call
set is_first = ordered.place = 1, is_last = ordered.place = ordered.row_count
from (
    select
        row_number,
        row_number() over request as place,
        count(*) over (partition by request_id) as row_count
    from numbered_call
    where request_id in (select request_id from model_call group by 1 having count(*) > 1)
    window request as (
        partition by request_id
        order by coalesce(attempt, 1), coalesce(step, 0), coalesce(created_at, started_at), log_id,
            attempt_id
    )
) as ordered
where stored_call.rowid = ordered.row_number
    and (
        is_first is distinct from (ordered.place = 1)
        or is_last is distinct from (ordered.place = ordered.row_count)
    )
