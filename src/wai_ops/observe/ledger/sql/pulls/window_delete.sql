-- A window takes the place of those within it: what they counted as late is carried over.
delete from ingest_window
where gateway_id = $gateway_id
    and source = $source
    and since >= $since
    and until <= $until
