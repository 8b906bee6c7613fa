-- The next pull does not bring back what was dropped, unless it is told to.
update ingest_mark
set since = greatest(since, $before::timestamp), through = greatest(through, $before::timestamp)
