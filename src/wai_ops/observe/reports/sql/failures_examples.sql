-- The newest message of each class and group. Messages were redacted before they were stored.
select
    error_type,
    ({group})::varchar as name,
    arg_max(error_message, (started_at, error_message)) as example
from model_call
where error_type is not null and error_message is not null and {where}
group by error_type, {group}
