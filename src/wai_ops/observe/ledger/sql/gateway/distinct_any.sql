-- How many log ids the batch has, in whatever order it came.
select count(distinct hash(log_id)) from stored_call where rowid > $boundary
