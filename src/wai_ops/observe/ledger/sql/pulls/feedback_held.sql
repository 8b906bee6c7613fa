-- Rated rows that the ledger holds, as the API counts them. A rating is one of the rare things.
select
    count(*) filter (rare[1].feedback = 1) as up_count,
    count(*) filter (rare[1].feedback = -1) as down_count
from stored_call
where rare is not null
    and gateway_id = $gateway_id
    and log_id is not null
    and created_at between $since and $until
