-- The windows of one gateway's log that were read, those that touch [$since, $until).
select
    since, until, row_count, reported_count, page_count, duplicate_count, late_row_count,
    late_field_count, pending_count, has_usage_metadata, has_timings, is_sampled, pulled_at
from ingest_window
where gateway_id = $gateway_id
    and source = $source
    and since < $until
    and until > $since
order by since, until
