-- What bodies told of the rows of a window: the log's list has none of it.
select log_id, error_code, error_message, finish_reason
from model_call
where created_at >= $since
    and created_at < $until
    and gateway_id = $gateway_id
    and log_id is not null
    -- Of a matched row the client says it again.
    and attempt_id is null
    and (error_code is not null or error_message is not null or finish_reason is not null)
