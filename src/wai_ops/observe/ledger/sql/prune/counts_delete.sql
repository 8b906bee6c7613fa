-- What the gateway counted on days of which nothing is held any more.
delete from gateway_count where day < $before::date
