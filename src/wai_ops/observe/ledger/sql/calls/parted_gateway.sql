-- ... and come back as two: the gateway's side, and the client's.
insert into model_call by name
select * replace (null as attempt_id) from matched_by_key
where attempt_id in (select attempt_id from parted)
