-- The newest message of each class and group. Messages were redacted before they were stored.
with said as (
    select error_type, {group} as name, started_at, error_message
    from model_call
    where error_type is not null and error_message is not null and {where}
    union all
    select error_type, {group} as name, started_at, error_message
    from refused_call
    where error_message is not null and {all_where}
)
select
    error_type,
    name::varchar as name,
    arg_max(error_message, (started_at, error_message)) as example
from said
group by all
