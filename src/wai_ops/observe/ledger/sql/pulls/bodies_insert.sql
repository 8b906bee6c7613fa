-- Bodies, redacted before they came here.
insert into body by name
select
    unnest($log_id::varchar[]) as log_id,
    unnest($created_at::timestamp[]) as created_at,
    unnest($kind::varchar[]) as kind,
    unnest($content::varchar[]) as content,
    unnest($is_truncated::boolean[]) as is_truncated,
    unnest($redacted_count::bigint[]) as redacted_count,
    unnest($fetched_at::timestamp[]) as fetched_at
