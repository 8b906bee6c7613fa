-- How many rows were matched by their metadata alone.
select count(*) from matched_by_key
