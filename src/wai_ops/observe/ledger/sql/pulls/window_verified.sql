-- These windows were counted again, and hold what the source counts.
update ingest_window
set pulled_at = $at
where gateway_id = $gateway_id
    and source = $source
    and since >= $since
    and until <= $until
    and pulled_at < $at
