-- The days to count anew.
delete from rollup_conversation where day in (select day from recounted)
