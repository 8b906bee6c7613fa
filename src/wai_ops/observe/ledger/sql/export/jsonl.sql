-- Every attempt as one JSON object a line: decimals and UTC times as text, as in the records.
copy (
    select * replace (
        utc_text(started_at) as started_at,
        utc_text(finished_at) as finished_at,
        cost_usd::varchar as cost_usd,
        neurons::varchar as neurons,
        in_usd_per_m::varchar as in_usd_per_m,
        cached_in_usd_per_m::varchar as cached_in_usd_per_m,
        out_usd_per_m::varchar as out_usd_per_m
    )
    from attempt order by attempt.started_at, attempt_id
) to $file (format json)
