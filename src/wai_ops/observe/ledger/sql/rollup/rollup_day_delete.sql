-- What was said of these days.
delete from rollup_day where day in (from rolled)
