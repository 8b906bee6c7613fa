-- The days to count anew.
create or replace temp table recounted as
select day from came
union
select day from went
union
select day from chained where not is_new and previous_day is distinct from noted_day
