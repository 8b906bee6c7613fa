-- How many rows that were.
select count(*) from numbered_call where row_number > $boundary
