-- Load the decisions that can be read as a whole.
insert into decision by name
select * exclude (seq, payload, problems) from decision_checked where problems = ''
