-- How many calls of the slice were refused before they were sent.
select count(*) as refused_count from refused_call where {where}
