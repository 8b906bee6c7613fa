-- As store_only.sql, and a look for secrets in the words of each row.
create table log_row as
select
    regexp_matches(
        concat_ws(
            ' ', id, provider, model, model_type, path, request_type, event_id, user_agent, tenant,
            workflow, conversation, prompt, trace
        ),
        $secrets
    ) as is_suspect,
    *
from log_line
