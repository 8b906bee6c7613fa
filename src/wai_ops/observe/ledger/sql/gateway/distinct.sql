-- How many log ids the batch has, if it came in the order of time; else null. The time of a log row never
-- changes: only rows of one instant can have one id, and those stand side by side. Where such a row
-- needs a second look, its id is not here yet: null as well.
with neighbours as (
    select
        log_id,
        created_at,
        lag(created_at) over () as before,
        lead(created_at) over () as after
    from stored_call
    where rowid > $boundary
),
tied as (
    select
        *,
        coalesce(created_at = before, false) or coalesce(created_at = after, false) as is_tied
    from neighbours
)
select
    case
        when bool_or(created_at < before) or bool_or(is_tied and log_id is null) then null
        else count(*) filter (not is_tied) + count(distinct if(is_tied, hash(log_id), null))
    end
from tied
