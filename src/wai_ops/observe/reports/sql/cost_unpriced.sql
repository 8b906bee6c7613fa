-- Models of calls with usage and without a cost: it was the price that nobody knew.
select distinct model
from (
    select model from rollup_day where unpriced_count > 0 and {day_where}
    union all
    select distinct model
    from call_fact
    where cost_state = 'unknown' and has_usage and {where}
)
where model is not null
order by all
