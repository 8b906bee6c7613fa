-- Output tokens of tool calls per group and over all, last. Quantiles by nearest rank in three significant
-- digits, as in tools.sql.
with part as (
    select
        ({group})::varchar as name,
        output_tokens,
        source
    from tool_call
    where {where}
)
select
    name,
    grouping(name) = 1 as is_total,
    count(*) as call_count,
    count(output_tokens) as output_reported_count,
    three_digits(quantile_disc(output_tokens, 0.95)) as output_tokens_p95,
    list_sort(list(distinct source)) as sources
from part
group by grouping sets ((name), ())
having count(*) > 0
order by is_total, call_count desc, name
