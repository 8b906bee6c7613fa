-- All calls of the slice, failed or not: what the rates are rates of.
with part as (
    select
        sum(call_count) as request_count,
        sum(both_count) as both_count,
        sum(gateway_only_count) as gateway_only_count,
        sum(client_only_count) as client_only_count,
        sum(contract_missing_count) as contract_missing_count,
        sum(local_count) as local_count
    from rollup_day
    where {day_where}
    union all
    select
        count(*) as request_count,
        count(*) filter (sources = 'client+gateway') as both_count,
        count(*) filter (sources = 'gateway only') as gateway_only_count,
        count(*) filter (sources = 'client only') as client_only_count,
        count(*) filter (contract <> 'complete') as contract_missing_count,
        count(*) filter (target = 'local') as local_count
    from model_call
    where {where}
)
select
    coalesce(sum(request_count), 0)::bigint as request_count,
    coalesce(sum(both_count), 0)::bigint as both_count,
    coalesce(sum(gateway_only_count), 0)::bigint as gateway_only_count,
    coalesce(sum(client_only_count), 0)::bigint as client_only_count,
    coalesce(sum(contract_missing_count), 0)::bigint as contract_missing_count,
    coalesce(sum(local_count), 0)::bigint as local_count
from part
