-- The attempts that are about to be loaded, parsed once.
create or replace temp table arrived as
select * exclude (seq, payload, problems) from attempt_checked where problems = ''
