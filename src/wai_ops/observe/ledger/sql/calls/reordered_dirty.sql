-- Their days: a request may go on past midnight.
insert into rollup_dirty
select distinct day from reordered where day not in (from rollup_dirty)
