-- What was said of these days.
delete from rollup_failure where day in (from rolled)
