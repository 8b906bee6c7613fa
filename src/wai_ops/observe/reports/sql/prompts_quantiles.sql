-- The 95% quantiles of TTFT and output tokens by version of a prompt (and group) and over all, by
-- nearest rank in three significant digits, from histograms.
with part as (
    select
        prompt_name as prompt,
        if(prompt_name is null, null, prompt_version) as version,
        {group} as name,
        'ttft' as measure,
        three_digits(ttft_ms) as reading,
        count(*) as call_count
    from model_call
    where ttft_ms is not null
        and ($prompt::varchar is null or prompt_name = $prompt::varchar)
        and {where}
    group by all
    union all
    select
        prompt_name as prompt,
        if(prompt_name is null, null, prompt_version) as version,
        {group} as name,
        'output' as measure,
        output_tokens::double as reading,
        count(*) as call_count
    from model_call
    where output_tokens is not null
        and ($prompt::varchar is null or prompt_name = $prompt::varchar)
        and {where}
    group by all
),

histogram as (
    select
        prompt,
        version,
        name::varchar as name,
        grouping(prompt) = 1 as is_total,
        measure,
        reading,
        sum(call_count) as call_count
    from part
    group by grouping sets ((prompt, version, name, measure, reading), (measure, reading))
),

ranked as (
    select
        *,
        sum(call_count) over (
            partition by prompt, version, name, is_total, measure order by reading
        ) as rank_count,
        sum(call_count) over (partition by prompt, version, name, is_total, measure) as measured_count
    from histogram
)
select
    prompt,
    version,
    name,
    is_total,
    measure,
    three_digits(min(reading) filter (rank_count * 100 >= measured_count * 95)) as p95
from ranked
group by prompt, version, name, is_total, measure
order by is_total, prompt, version, name, measure
