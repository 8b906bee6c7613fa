-- How often each rounded duration occurred on these days.
insert into rollup_latency by name
with rounded as (
    select
        day,
        workflow,
        model,
        three_digits(ttft_ms) as ttft,
        three_digits(duration_ms) as duration,
        three_digits(tpot_ms) as tpot
    from call_fact
    where started_at >= $since and started_at < $last::date + 1 and day in (from rolled)
)
select
    case when grouping(workflow) = 0 then 'workflow' else 'model' end as grain,
    day,
    workflow,
    model,
    'ttft' as measure,
    ttft as value_ms,
    count(*) as call_count
from rounded
where ttft is not null
group by grouping sets ((day, workflow, ttft), (day, model, ttft))
union all
select
    case when grouping(workflow) = 0 then 'workflow' else 'model' end as grain,
    day,
    workflow,
    model,
    'duration' as measure,
    duration as value_ms,
    count(*) as call_count
from rounded
where duration is not null
group by grouping sets ((day, workflow, duration), (day, model, duration))
union all
select
    case when grouping(workflow) = 0 then 'workflow' else 'model' end as grain,
    day,
    workflow,
    model,
    'tpot' as measure,
    tpot as value_ms,
    count(*) as call_count
from rounded
where tpot is not null
group by grouping sets ((day, workflow, tpot), (day, model, tpot))
