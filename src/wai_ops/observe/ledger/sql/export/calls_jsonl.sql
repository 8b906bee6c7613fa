-- The model calls of a slice, one JSON object a line: decimals and UTC times as text.
copy (
    select * replace (
        utc_text(started_at) as started_at,
        utc_text(created_at) as created_at,
        utc_text(ingested_at) as ingested_at,
        cost_usd::varchar as cost_usd,
        neurons::varchar as neurons,
        in_usd_per_m::varchar as in_usd_per_m,
        cached_in_usd_per_m::varchar as cached_in_usd_per_m,
        out_usd_per_m::varchar as out_usd_per_m,
        gateway_cost_usd::varchar as gateway_cost_usd
    )
    from model_call where {where}
    order by model_call.started_at, request_id, attempt, step, log_id
) to $file (format json)
