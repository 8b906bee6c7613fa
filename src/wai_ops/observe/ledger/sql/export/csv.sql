-- Every attempt as CSV: what a spreadsheet would take for a formula is made plain text.
copy (
    select * replace (
        utc_text(started_at) as started_at,
        utc_text(finished_at) as finished_at,
        cost_usd::varchar as cost_usd,
        neurons::varchar as neurons,
        in_usd_per_m::varchar as in_usd_per_m,
        cached_in_usd_per_m::varchar as cached_in_usd_per_m,
        out_usd_per_m::varchar as out_usd_per_m,
        csv_text(attempt_id) as attempt_id,
        csv_text(run_id) as run_id,
        csv_text(tenant) as tenant,
        csv_text(workflow) as workflow,
        csv_text(conversation_id) as conversation_id,
        csv_text(prompt_name) as prompt_name,
        csv_text(prompt_version) as prompt_version,
        csv_text(requested_model) as requested_model,
        csv_text(served_model) as served_model,
        csv_text(target) as target,
        csv_text(endpoint) as endpoint,
        csv_text(gateway_id) as gateway_id,
        csv_text(error_type) as error_type,
        csv_text(error_message) as error_message,
        csv_text(finish_reason) as finish_reason,
        csv_text(log_id) as log_id,
        csv_text(event_id) as event_id,
        csv_text(ray_id) as ray_id,
        csv_text(affinity_result) as affinity_result,
        csv_text(affinity_cause) as affinity_cause,
        csv_text(cost_state) as cost_state,
        csv_text(price_source) as price_source,
        csv_text(price_as_of) as price_as_of,
        csv_text(request_sha256) as request_sha256,
        csv_text(response_sha256) as response_sha256,
        csv_text(wai_version) as wai_version
    )
    from attempt order by attempt.started_at, attempt.attempt_id
) to $file (format csv, header true)
