-- Every stretch of a gateway's log that was read, by any source.
select since, until
from ingest_window
where gateway_id = $gateway_id
    and since < $until
    and until > $since
order by since, until
