-- Load the session events that can be read as a whole.
insert into session_event by name
select * exclude (seq, payload, problems) from session_checked where problems = ''
