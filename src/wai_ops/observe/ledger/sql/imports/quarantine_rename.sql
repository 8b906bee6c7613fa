-- Rows that the ledger itself refused name the file and the line that they came from, not the spool.
update ingest_quarantine
set
    origin = $origin,
    line = case when len($lines) = 0 then line else coalesce($lines[line], 0) end
where origin = $spool
