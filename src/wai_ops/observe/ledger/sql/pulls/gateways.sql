-- Gateways whose log was pulled, and from where the last time.
select
    gateway_id,
    arg_max(source, pulled_at) as source
from ingest_window
group by gateway_id
order by gateway_id
