-- How many rows are to be taken apart.
select count(*) from parted
