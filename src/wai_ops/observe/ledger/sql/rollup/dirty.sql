-- The days whose roll-ups are not right.
select distinct day from rollup_dirty order by day
