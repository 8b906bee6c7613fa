delete from ingest_mark
where gateway_id = $gateway_id
    and source = $source
