-- The gateway's half may have stood for another request.
insert into stale_request
select hash(coalesce(run_id, event_id, log_id)) from gateway_side
