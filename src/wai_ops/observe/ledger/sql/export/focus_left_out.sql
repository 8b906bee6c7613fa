-- What of the slice is in no FOCUS row: calls without a known cost, and what only the gateway priced.
select
    count(*) filter (cost_state = 'unknown') as unknown_count,
    count(*) filter (cost_state = 'estimated') as estimated_count,
    sum(cost_usd) filter (cost_state = 'estimated') as estimated_usd,
    count(*) filter (
        cost_state in ('metered', 'confirmed')
        and (cost_usd is null or in_usd_per_m is null or input_tokens is null)
    ) as unrated_count,
    count(*) filter (coalesce(target, '') = 'local' and cost_state in ('metered', 'confirmed'))
        as local_count
from model_call
where {where}
