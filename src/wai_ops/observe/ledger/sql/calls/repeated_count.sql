-- How many such requests there are.
select count(*) from repeated
