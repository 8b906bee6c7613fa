-- How many of each UTC day's billed neurons the free allocation of $free a day would have covered.
select
    coalesce(sum(neurons), 0)::decimal(38, 12) as neurons,
    coalesce(sum(least(neurons, $free::decimal(38, 12))), 0)::decimal(38, 12) as free_neurons,
    count(*) as day_count
from (
    select day, sum(neurons) as neurons
    from (
        select day, neurons - coalesce(local_neurons, 0) as neurons
        from rollup_day
        where {day_where}
        union all
        select day, sum(known_neurons) as neurons
        from call_fact
        where target is distinct from 'local' and {where}
        group by day
    )
    group by day
)
where neurons > 0
