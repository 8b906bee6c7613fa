-- The gateway's cost of each call beside our own, by group and over all, last. Ours is computed from
-- the usage of the call and the prices of its day; the two agree within a billionth of a dollar or a
-- thousandth of the cost. $by_cached groups by the share of the input that was cached.
with fact as (
    select
        case
            when not $by_cached then ({group})::varchar
            when input_tokens is null or cached_input_tokens is null then 'not reported'
            when coalesce(cached_input_tokens, 0) = 0 then '0%'
            when cached_input_tokens * 4 <= input_tokens then '1-25%'
            when cached_input_tokens * 2 <= input_tokens then '26-50%'
            when cached_input_tokens * 4 <= input_tokens * 3 then '51-75%'
            else '76-100%'
        end as name,
        input_tokens,
        cached_input_tokens,
        cost_usd,
        gateway_cost_usd,
        case
            when sources = 'client only' then 'no gateway row'
            when gateway_cost_usd is null then 'no gateway cost'
            when coalesce(gateway_custom_cost, false) then 'custom cost'
            when cost_state in ('metered', 'confirmed', 'none') then null
            when not has_usage then 'no usage'
            else 'no price'
        end as reason,
        output_tokens,
        in_usd_per_m,
        cached_in_usd_per_m,
        out_usd_per_m,
        sources,
        contract,
        target
    from call_fact
    where {where}
),

drifted as (
    select
        *,
        reason is null as is_compared,
        gateway_cost_usd - cost_usd as drift_usd,
        -- Nearly all agree to the last digit; the long decimals are then left alone.
        case
            when reason is not null or gateway_cost_usd = cost_usd then false
            else abs(gateway_cost_usd - cost_usd) > greatest(0.000000001, abs(cost_usd) * 0.001)
        end as is_different
    from fact
),

-- Of a call that differs and read cached input: what every input token at the full rate would have
-- cost, and the cached ones charged on top of that.
alternative as (
    select
        *,
        case when is_different and cached_input_tokens > 0 then (
            input_tokens::decimal(18, 0) * (in_usd_per_m::decimal(14, 8) * 0.000001)
            + coalesce(output_tokens, 0)::decimal(18, 0)
                * (coalesce(out_usd_per_m, 0)::decimal(14, 8) * 0.000001)
        )::decimal(38, 12) end as full_price_usd,
        case when is_different and cached_input_tokens > 0 then (
            cached_input_tokens::decimal(18, 0)
            * (cached_in_usd_per_m::decimal(14, 8) * 0.000001)
        )::decimal(38, 12) end as cached_price_usd
    from drifted
),

judged as (
    select
        *,
        case when is_different and cached_input_tokens > 0 then
            abs(gateway_cost_usd - full_price_usd)
                <= greatest(0.000000001, full_price_usd * 0.001)
        end as is_full_price,
        case when is_different and cached_input_tokens > 0 then
            abs(gateway_cost_usd - full_price_usd - cached_price_usd)
                <= greatest(0.000000001, full_price_usd * 0.001)
        end as is_charged_twice
    from alternative
)
select
    name,
    grouping(name) = 1 as is_total,
    count(*) as request_count,
    count(*) filter (is_compared and not is_different) as agreed_count,
    count(*) filter (is_different) as different_count,
    count(*) filter (not is_compared) as not_compared_count,
    (sum(gateway_cost_usd) filter (is_compared))::decimal(38, 12) as gateway_cost_usd,
    (sum(cost_usd) filter (is_compared))::decimal(38, 12) as own_cost_usd,
    (sum(drift_usd) filter (is_compared))::decimal(38, 12) as drift_usd,
    (sum(abs(drift_usd)) filter (is_compared))::decimal(38, 12) as absolute_drift_usd,
    (max(abs(drift_usd)) filter (is_compared))::decimal(38, 12) as largest_drift_usd,
    count(*) filter (is_different and is_full_price) as full_price_count,
    count(*) filter (is_different and is_charged_twice and not is_full_price)
        as charged_twice_count,
    count(*) filter (reason = 'no gateway row') as no_gateway_row_count,
    count(*) filter (reason = 'no gateway cost') as no_gateway_cost_count,
    count(*) filter (reason = 'custom cost') as custom_cost_count,
    count(*) filter (reason = 'no usage') as no_usage_count,
    count(*) filter (reason = 'no price') as no_price_count,
    count(*) filter (sources = 'client+gateway') as both_count,
    count(*) filter (sources = 'gateway only') as gateway_only_count,
    count(*) filter (sources = 'client only') as client_only_count,
    count(*) filter (contract <> 'complete') as contract_missing_count,
    count(*) filter (target = 'local') as local_count
from judged
group by grouping sets ((name), ())
having count(*) > 0
order by is_total, absolute_drift_usd desc nulls last, name
