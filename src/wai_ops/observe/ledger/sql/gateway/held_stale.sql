-- And their requests.
insert into stale_request
select distinct old_request from held where not (is_same or is_stale)
