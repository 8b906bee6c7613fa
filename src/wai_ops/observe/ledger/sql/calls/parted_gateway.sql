-- ... and come back as two: the gateway's side, and the client's.
create or replace temp view new_call as
select * replace (null as attempt_id) from matched_by_key
where attempt_id in (select attempt_id from parted);
insert into stored_call by name from stored_form('new_call')
