-- How many rows of each kind were staged.
select kind, count(*) from staged group by kind
