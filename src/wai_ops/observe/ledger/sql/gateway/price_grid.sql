-- What each known model costs in each period between two days on which any price changes. A cell is
-- found by counting, period * models + place, which is a third of the work of a join.
create or replace temp table price_grid as
with period as (
    select since, row_number() over (order by since) - 1 as number
    from (
        select since from price
        union
        select '1970-01-01'::date
    )
),
known as (
    select
        unnest(getvariable('price_names')::varchar[]) as model,
        generate_subscripts(getvariable('price_names')::varchar[], 1) as place
),
cell as (
    select known.model, period.since, number * (select count(*) from known) + place as number
    from period cross join known
)
select
    cell.number,
    cell.since,
    neurons_in_per_m as rate_in,
    coalesce(neurons_cached_in_per_m, neurons_in_per_m) as rate_cached,
    neurons_out_per_m as rate_out,
    coalesce(neurons_out_per_m, 0) as rate_out_or_none,
    price_source,
    price_as_of
from cell
asof left join price on cell.model = price.model and cell.since >= price.since
order by cell.number
