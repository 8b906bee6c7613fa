-- Windows take the place of those within them: what those counted as late is carried over.
delete from ingest_window as i
using (
    select
        unnest($since::timestamp[]) as since,
        unnest($until::timestamp[]) as until
) as w
where i.gateway_id = $gateway_id
    and i.source = $source
    and i.since >= w.since
    and i.until <= w.until
