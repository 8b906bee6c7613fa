-- Models of calls with usage and without a cost: it was the price that nobody knew.
select distinct model
from (
    select model from rollup_day where unpriced_count > 0 and {day_where}
    union all
    select distinct model
    from model_call
    where cost_state = 'unknown' and input_tokens is not null and {where}
)
where model is not null
order by all
