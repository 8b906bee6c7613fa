-- Load the attempts that can be read as a whole.
insert into attempt by name
select * exclude (seq, payload, problems) from attempt_checked where problems = ''
