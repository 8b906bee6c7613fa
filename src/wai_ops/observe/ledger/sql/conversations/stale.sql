-- Days to look at again.
select distinct day from conversation_stale order by day
