-- For both versions and each measure the sums over conversations of x (what is divided by), y and their
-- products. A conversation counts where it began in the time of its version and has no call of the other
-- one; a call that belongs to none stands for itself. Measure 'units' counts all of them, 'mixed' those
-- with calls of both, 'outside' those that began before or after.
with ended as (
    select
        hash(tenant, workflow, conversation_id) as key_1,
        hash(concat_ws('/', conversation_id, workflow, tenant)) as key_2,
        arg_max(outcome, (recorded_at, rowid)) as outcome
    from outcome
    group by key_1, key_2
),

unit as (
    select
        hash(tenant, workflow, coalesce(conversation_id, request_id)) as key_1,
        hash(concat_ws('/', coalesce(conversation_id, request_id), workflow, tenant)) as key_2,
        count(distinct prompt_version) > 1 as is_mixed,
        any_value(prompt_version) = $new as is_new,
        min(started_at) as first_at,
        count(*)::double as calls,
        count(*) filter (list_contains($prompt_classes::varchar[], error_type))::double
            as prompt_failures,
        count(error_type)::double as failures,
        count(*) filter (is_cost_known)::double as priced,
        coalesce(sum(known_cost_usd), 0)::double as cost,
        coalesce(sum(input_tokens) filter (cached_input_tokens is not null), 0)::double as reported,
        coalesce(sum(cached_input_tokens), 0)::double as cached,
        count(output_tokens)::double as answered,
        coalesce(sum(output_tokens), 0)::double as output,
        count(ttft_ms)::double as timed,
        count(*) filter (
            three_digits(ttft_ms)
            > case when prompt_version = $new then $new_p95::double else $old_p95::double end
        )::double as slow
    from call_fact
    where prompt_name = $prompt and prompt_version in ($old, $new) and {where}
    group by key_1, key_2
),

placed as (
    select
        u.*,
        e.outcome,
        case
            when is_mixed then 'mixed'
            when is_new
            then if(
                first_at >= $new_since::timestamp and first_at < $new_until::timestamp, 'units', 'outside'
            )
            when first_at >= $old_since::timestamp and first_at < $old_until::timestamp then 'units'
            else 'outside'
        end as place
    from unit as u
    left join ended as e using (key_1, key_2)
),

fact as (
    select
        is_new,
        unnest(
            case
                when place = 'units'
                then [
                    {'measure': 'units', 'x': 1.0::double, 'y': 0.0::double},
                    {'measure': 'failures by the prompt', 'x': calls, 'y': prompt_failures},
                    {'measure': 'other failures', 'x': calls, 'y': failures - prompt_failures},
                    {'measure': 'cost per request', 'x': priced, 'y': cost},
                    {
                        'measure': 'cost per resolved',
                        'x': if(outcome = 'resolved', 1.0, 0.0)::double,
                        'y': if(outcome is null, 0.0, cost)::double
                    },
                    {
                        'measure': 'resolved share',
                        'x': if(outcome is null, 0.0, 1.0)::double,
                        'y': if(outcome = 'resolved', 1.0, 0.0)::double
                    },
                    {'measure': 'cached share', 'x': reported, 'y': cached},
                    {'measure': 'output tokens', 'x': answered, 'y': output},
                    {'measure': 'TTFT p95', 'x': timed, 'y': slow}
                ]
                else [{'measure': place, 'x': 1.0::double, 'y': 0.0::double}]
            end,
            recursive := true
        )
    from placed
)
select
    is_new,
    measure,
    count(*) filter (x > 0) as unit_count,
    sum(x) as x,
    sum(y) as y,
    sum(x * x) as xx,
    sum(x * y) as xy,
    sum(y * y) as yy
from fact
where x > 0 or y > 0
group by is_new, measure
order by is_new, measure
