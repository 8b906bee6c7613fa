-- Times to first token of both versions' conversations, in three significant digits, counted.
-- A conversation counts where it began in the time of its version and has no call of the other one.
with unit as (
    select
        any_value(prompt_version) as version,
        min(started_at) as first_at,
        list(ttft_ms) as times
    from model_call
    where prompt_name = $prompt and prompt_version in ($old, $new) and {where}
    group by
        hash(tenant, workflow, coalesce(conversation_id, request_id)),
        hash(concat_ws('/', coalesce(conversation_id, request_id), workflow, tenant))
    having count(distinct prompt_version) = 1
),

timed as (
    select
        version = $new as is_new,
        three_digits(unnest(times)) as ttft_ms
    from unit
    where case
        when version = $new
        then first_at >= $new_since::timestamp and first_at < $new_until::timestamp
        else first_at >= $old_since::timestamp and first_at < $old_until::timestamp
    end
)
select
    is_new,
    ttft_ms,
    count(*) as call_count
from timed
where ttft_ms is not null
group by is_new, ttft_ms
order by is_new, ttft_ms
