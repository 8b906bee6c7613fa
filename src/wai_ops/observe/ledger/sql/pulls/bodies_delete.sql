-- A body that is fetched again replaces the one before.
delete from body
where log_id in (select unnest($log_ids::varchar[]))
