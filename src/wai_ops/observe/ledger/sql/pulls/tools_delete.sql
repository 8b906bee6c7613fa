delete from tool_call
where source = 'body'
    and log_id in (select unnest($log_ids::varchar[]))
