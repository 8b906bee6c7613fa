-- Rows that the ledger holds from one instant to another, both included: as the API counts them.
select count(*)
from model_call
where gateway_id = $gateway_id
    and log_id is not null
    and created_at between $since and $until
