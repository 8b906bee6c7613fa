-- What was said of these days.
delete from rollup_latency where day in (from rolled)
