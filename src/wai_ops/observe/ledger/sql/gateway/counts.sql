-- What the batch brought, and over which times.
select
    count(*) as row_count,
    count(log_id) as id_count,
    count(distinct hash(log_id)) as distinct_count,
    count(*) filter (common = 'second look') as suspect_count,
    count(*) filter (
        error_type is null
        and not coalesce(gateway_cache_hit, false)
        and (
            gateway_cost_usd is null
            or coalesce(usage_input_tokens, gateway_input_tokens) is null
        )
    ) as pending_count,
    count(usage_input_tokens) > 0 as has_usage_metadata,
    count(gateway_latency_ms) > 0 as has_timings,
    min(created_at) as since,
    max(created_at) as until
from stored_call
where rowid > $boundary
