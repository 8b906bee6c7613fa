-- Rated rows that the ledger holds, as the API counts them.
select
    count(*) filter (feedback = 1) as up_count,
    count(*) filter (feedback = -1) as down_count
from model_call
where gateway_id = $gateway_id
    and log_id is not null
    and created_at between $since and $until
