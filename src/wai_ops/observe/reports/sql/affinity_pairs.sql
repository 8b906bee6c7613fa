-- What a hit saves of the time to first token, each conversation against itself: the median of its
-- misses less the median of its hits, and of these differences the median and the two order
-- statistics that enclose it with 95% (sign test). $ranks is the lower one's rank by the number of
-- pairs, 0 where there are too few; beyond the list it comes from the normal approximation.
-- Conversations are told apart by two hashes of their name, groups by one, and ranked by sorting: that
-- spills to disk, where millions of names and lists would not fit into memory. Sorting the texts of the
-- groups along takes twice as long.
with timed as (
    select
        hash({group}) as name_key,
        hash(tenant, workflow, conversation_id) as key_1,
        hash(concat_ws('/', conversation_id, workflow, tenant)) as key_2,
        affinity_result = 'hit' as is_hit,
        ttft_ms
    from model_call
    where affinity_result in ('hit', 'miss')
        and ttft_ms is not null
        and error_type is null
        and gateway_cache_hit is distinct from true
        and conversation_id is not null
        and {where}
),

placed as (
    select
        name_key,
        false as is_total,
        key_1,
        key_2,
        is_hit,
        ttft_ms,
        row_number() over (
            partition by name_key, key_1, key_2, is_hit order by ttft_ms
        ) as place,
        count(*) over (partition by name_key, key_1, key_2, is_hit) as call_count
    from timed
    union all
    select
        null as name_key,
        true as is_total,
        key_1,
        key_2,
        is_hit,
        ttft_ms,
        row_number() over (partition by key_1, key_2, is_hit order by ttft_ms) as place,
        count(*) over (partition by key_1, key_2, is_hit) as call_count
    from timed
),

side as (
    select
        name_key,
        is_total,
        max(ttft_ms) filter (is_hit) as hit_ms,
        max(ttft_ms) filter (not is_hit) as miss_ms
    from placed
    where place = (call_count + 1) // 2
    group by name_key, is_total, key_1, key_2
),

pair as (
    select
        name_key,
        is_total,
        miss_ms - hit_ms as gain_ms,
        row_number() over (partition by is_total, name_key order by miss_ms - hit_ms) as place,
        count(*) over (partition by is_total, name_key) as pair_count
    from side
    where hit_ms is not null and miss_ms is not null
),

ranked as (
    select
        *,
        case
            when pair_count <= len($ranks::bigint[]) then list_extract($ranks::bigint[], pair_count)
            else floor(pair_count / 2 - 0.979982 * sqrt(pair_count))::bigint
        end as low_rank
    from pair
),

chosen as (
    select
        name_key,
        is_total,
        any_value(pair_count) as pair_count,
        max(gain_ms) filter (place = (pair_count + 1) // 2) as gain_ms,
        max(gain_ms) filter (place = low_rank) as low_ms,
        max(gain_ms) filter (low_rank > 0 and place = pair_count + 1 - low_rank) as high_ms
    from ranked
    group by name_key, is_total
),

named as (
    select hash({group}) as name_key, any_value({group}) as name
    from model_call
    where {where}
    group by 1
)

select
    n.name::varchar as name,
    c.is_total,
    c.pair_count,
    sign(c.gain_ms) * three_digits(abs(c.gain_ms)) as gain_ms,
    sign(c.low_ms) * three_digits(abs(c.low_ms)) as low_ms,
    sign(c.high_ms) * three_digits(abs(c.high_ms)) as high_ms
from chosen as c
left join named as n using (name_key)
order by c.is_total, name
