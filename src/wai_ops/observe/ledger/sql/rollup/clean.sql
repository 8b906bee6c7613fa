-- They are right again.
delete from rollup_dirty where day in (from rolled)
