-- One closed window, read as a whole.
insert into ingest_window by name
select
    $gateway_id as gateway_id,
    $source as source,
    $since as since,
    $until as until,
    $row_count as row_count,
    $reported_count as reported_count,
    $page_count as page_count,
    $duplicate_count as duplicate_count,
    $late_row_count as late_row_count,
    $late_field_count as late_field_count,
    $pending_count as pending_count,
    $has_usage_metadata as has_usage_metadata,
    $has_timings as has_timings,
    $is_sampled as is_sampled,
    $pulled_at as pulled_at
