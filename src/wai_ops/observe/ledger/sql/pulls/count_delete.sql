-- A new answer takes the place of the one before.
delete from gateway_count
where gateway_id = $gateway_id
    and source = $source
    and day = $day
