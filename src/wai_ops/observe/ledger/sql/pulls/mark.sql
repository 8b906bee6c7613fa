-- How far one gateway's log has been read for good.
select since, through
from ingest_mark
where gateway_id = $gateway_id
    and source = $source
