-- What the batch brought, and over which times: calls that only the gateway has told of. See
-- stored_form for the numbers of the texts.
select
    count(*) as row_count,
    count(log_id) as id_count,
    count(*) filter (common = 'second look') as suspect_count,
    -- Few rows get as far as to the texts, which then are not taken apart in all.
    count(*) filter (
        case
            when gateway_cost_usd is null or input_tokens is null
                then common_at(common, 29) is null
                    and coalesce(common_at(common, 30) <> 'true', true)
        end
    ) as pending_count,
    -- Which ends with the first row that has some.
    exists (
        from stored_call
        where rowid > $boundary and contains(common, 'gateway usage' || chr(31))
    ) as has_usage_metadata,
    count(gateway_latency_ms) > 0 as has_timings,
    min(created_at) as since,
    max(created_at) as until
from stored_call
where rowid > $boundary
