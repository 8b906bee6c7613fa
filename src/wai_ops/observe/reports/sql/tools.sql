-- Tool calls by $grouping (family, or tool within its family) and over all, last. Quantiles by nearest
-- rank in three significant digits. A loop: the same tool with the same arguments, $loop_at times or
-- more in one turn of a conversation (where no turn is known, in one model request).
with chosen as (
    select * from tool_call where {where}
),

-- The longest configured beginning that a tool's name has; else the family that it was stored with.
configured as (
    select
        n.tool_name,
        arg_max(p.family, length(p.prefix)) as family
    from (select distinct tool_name from chosen) as n
    inner join (
        select unnest($prefixes::varchar[]) as prefix, unnest($families::varchar[]) as family
    ) as p on starts_with(n.tool_name, p.prefix)
    group by n.tool_name
),

fact as (
    select
        c.*,
        coalesce(f.family, c.tool_family) as family,
        case
            when arguments_sha256 is null then 0
            when turn_index is not null or conversation_id is not null or request_id is not null
            then count(*) over (
                partition by
                    tenant, workflow, conversation_id, turn_index,
                    case when turn_index is null then request_id end,
                    tool_name, arguments_sha256
            )
            else 0
        end as repeat_count,
        row_number() over (
            partition by
                tenant, workflow, conversation_id, turn_index,
                case when turn_index is null then request_id end,
                tool_name, arguments_sha256
        ) as repeat_index
    from chosen as c
    left join configured as f using (tool_name)
),

grouped as (
    select
        family,
        case when $grouping = 'tool' then tool_name end as tool,
        *
    from fact
)
select
    family,
    tool,
    grouping(family) = 1 as is_total,
    count(*) as call_count,
    count(error_type) as failed_count,
    count(error_type) / count(*) as failed_ratio,
    count(distinct tool_name) as tool_count,
    three_digits(quantile_disc(duration_ms, 0.5)) as duration_p50_ms,
    three_digits(quantile_disc(duration_ms, 0.95)) as duration_p95_ms,
    three_digits(quantile_disc(duration_ms, 0.99)) as duration_p99_ms,
    count(duration_ms) as timed_count,
    three_digits(quantile_disc(output_tokens, 0.95)) as output_tokens_p95,
    count(output_tokens) as output_reported_count,
    count(*) filter (repeat_index = 1 and repeat_count >= $loop_at) as loop_count,
    count(*) filter (repeat_count >= $loop_at) as loop_call_count,
    count(*) filter (arguments_sha256 is null) as no_arguments_count,
    list_sort(list(distinct source)) as sources
from grouped
group by grouping sets ((family, tool), ())
having count(*) > 0
order by is_total, call_count desc, family, tool
