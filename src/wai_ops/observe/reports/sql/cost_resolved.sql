-- How the conversations of each group ended, and of the whole slice, last. A conversation belongs to
-- every group that it has a call in. Two hashes of its three names stand for it: of fixed width, so
-- that millions fit into memory. Where a conversation has one group only ($is_parted), the groups can
-- be added up, and the last row is left out.
with seen as (
    select distinct
        {group} as name,
        hash(tenant, workflow, conversation_id) as key_1,
        hash(concat_ws('/', conversation_id, workflow, tenant)) as key_2
    from model_call
    where conversation_id is not null and {where}
),

ended as (
    select
        hash(tenant, workflow, conversation_id) as key_1,
        hash(concat_ws('/', conversation_id, workflow, tenant)) as key_2,
        -- Of two at the same instant, the one that was loaded last.
        arg_max(outcome, (recorded_at, rowid)) as outcome
    from outcome
    group by key_1, key_2
),

told as (
    select s.name, s.key_1, s.key_2, e.outcome
    from seen as s
    left join ended as e using (key_1, key_2)
)

select
    name::varchar as name,
    false as is_total,
    count(*) as conversation_count,
    count(*) filter (outcome = 'resolved') as resolved_count,
    count(*) filter (outcome is null) as open_count
from told
group by name
union all
select
    null as name,
    true as is_total,
    count(*) as conversation_count,
    count(*) filter (outcome = 'resolved') as resolved_count,
    count(*) filter (outcome is null) as open_count
from (select distinct key_1, key_2, outcome from told where not $is_parted::boolean)
having not $is_parted::boolean
order by is_total, name
