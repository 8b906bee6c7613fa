-- What was read of that time counts as not read.
delete from ingest_window where until <= $before
