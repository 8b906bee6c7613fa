-- How many rows that were.
select count(*) from model_call where rowid > $boundary
