-- Of each of some spans, the windows of one gateway's log that it touches.
select
    w.place, i.since, i.until, i.row_count, i.reported_count, i.page_count, i.duplicate_count,
    i.late_row_count, i.late_field_count, i.pending_count, i.has_usage_metadata, i.has_timings,
    i.is_sampled, i.pulled_at
from (
    select
        unnest(range(len($since::timestamp[]))) as place,
        unnest($since::timestamp[]) as since,
        unnest($until::timestamp[]) as until
) as w
inner join ingest_window as i
    on i.since < w.until
    and i.until > w.since
where i.gateway_id = $gateway_id
    and i.source = $source
order by w.place, i.since, i.until
