-- How many rows belong together.
select count(*) from pair
