-- Closed windows, each read as a whole.
insert into ingest_window by name
select
    $gateway_id as gateway_id,
    $source as source,
    unnest($since::timestamp[]) as since,
    unnest($until::timestamp[]) as until,
    unnest($row_count::bigint[]) as row_count,
    unnest($reported_count::bigint[]) as reported_count,
    unnest($page_count::bigint[]) as page_count,
    unnest($duplicate_count::bigint[]) as duplicate_count,
    unnest($late_row_count::bigint[]) as late_row_count,
    unnest($late_field_count::bigint[]) as late_field_count,
    unnest($pending_count::bigint[]) as pending_count,
    unnest($has_usage_metadata::boolean[]) as has_usage_metadata,
    unnest($has_timings::boolean[]) as has_timings,
    unnest($is_sampled::boolean[]) as is_sampled,
    unnest($pulled_at::timestamp[]) as pulled_at
