-- The dated price book as one row a model and span of days, ready to be joined to calls. Rates are
-- neurons a million tokens. `is_whole` says that they are small whole numbers, which is the rule,
-- and that 64 bits hold any cost; the `fine` rates are in millionths of a neuron.
create or replace temp table price_span as
select
    model,
    since,
    coalesce(
        lead(since) over (partition by model order by since), '9999-12-31'::date
    ) as until,
    neurons_in_per_m as rate_in,
    coalesce(neurons_cached_in_per_m, neurons_in_per_m) as rate_cached,
    neurons_out_per_m as rate_out,
    (
        rate_in = trunc(rate_in) and rate_in < 10000000
        and rate_cached = trunc(rate_cached) and rate_cached < 10000000
        and coalesce(rate_out, 0) = trunc(coalesce(rate_out, 0))
        and coalesce(rate_out, 0) < 10000000
    ) as is_whole,
    case when is_whole then rate_in::bigint end as whole_in,
    case when is_whole then rate_cached::bigint end as whole_cached,
    case when is_whole then coalesce(rate_out, 0)::bigint end as whole_out,
    (rate_in * 1000000)::hugeint as fine_in,
    (rate_cached * 1000000)::hugeint as fine_cached,
    (coalesce(rate_out, 0) * 1000000)::hugeint as fine_out,
    in_usd_per_m,
    cached_in_usd_per_m,
    out_usd_per_m,
    price_source,
    price_as_of
from price
