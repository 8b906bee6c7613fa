-- Which prices the known costs of the slice stand on.
select distinct price_source
from (
    select unnest(price_sources) as price_source from rollup_day where {day_where}
    union all
    select price_source || ' of ' || price_as_of as price_source
    from (select distinct price_source, price_as_of from model_call where {where})
)
where price_source is not null
order by all
