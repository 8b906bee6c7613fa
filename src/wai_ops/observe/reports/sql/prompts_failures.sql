-- The failure class that most calls of a version of a prompt (and group) failed with, and over all.
with part as (
    select
        prompt_name as prompt,
        if(prompt_name is null, null, prompt_version) as version,
        {group} as name,
        error_type,
        count(*) as request_count
    from model_call
    where error_type is not null
        and ($prompt::varchar is null or prompt_name = $prompt::varchar)
        and {where}
    group by all
),

counted as (
    select
        prompt,
        version,
        name::varchar as name,
        grouping(prompt) = 1 as is_total,
        error_type,
        sum(request_count)::bigint as request_count
    from part
    group by grouping sets ((prompt, version, name, error_type), (error_type))
)
select
    prompt,
    version,
    name,
    is_total,
    error_type,
    request_count
from counted
qualify row_number() over (
    partition by prompt, version, name, is_total order by request_count desc, error_type
) = 1
order by is_total, prompt, version, name
