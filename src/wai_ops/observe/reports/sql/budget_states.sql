-- What a replay of a slice can make of its calls.
select
    count(*) filter (gateway_cache_hit) as cached_count,
    count(*) filter (
        gateway_cache_hit is not true
        and error_type in ('spend_limit', 'policy_denied', 'rate_limited_gateway')
    ) as refused_count,
    count(*) filter (
        gateway_cache_hit is not true
        and (
            error_type is null
            or error_type not in ('spend_limit', 'policy_denied', 'rate_limited_gateway')
        )
        and cost_state in ('unknown', 'estimated')
    ) as unknown_cost_count
from model_call
where {where}
