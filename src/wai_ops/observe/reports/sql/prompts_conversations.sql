-- How many conversations each version of a prompt (and group) was part of, and of the whole slice, last,
-- and how many of them were resolved. Two hashes of its three names stand for a conversation: of fixed
-- width, so that millions fit into memory.
with seen as (
    select distinct
        prompt_name as prompt,
        if(prompt_name is null, null, prompt_version) as version,
        {group} as name,
        hash(tenant, workflow, conversation_id) as key_1,
        hash(concat_ws('/', conversation_id, workflow, tenant)) as key_2
    from model_call
    where conversation_id is not null
        and ($prompt::varchar is null or prompt_name = $prompt::varchar)
        and {where}
),

ended as (
    select
        hash(tenant, workflow, conversation_id) as key_1,
        hash(concat_ws('/', conversation_id, workflow, tenant)) as key_2,
        arg_max(outcome, (recorded_at, rowid)) as outcome
    from outcome
    group by key_1, key_2
),

told as (
    select s.*, e.outcome
    from seen as s
    left join ended as e using (key_1, key_2)
)

select
    prompt,
    version,
    name::varchar as name,
    false as is_total,
    count(*) as conversation_count,
    count(*) filter (outcome = 'resolved') as resolved_count,
    count(*) filter (outcome is null) as open_count
from told
group by prompt, version, name
union all
select
    null as prompt,
    null as version,
    null as name,
    true as is_total,
    count(*) as conversation_count,
    count(*) filter (outcome = 'resolved') as resolved_count,
    count(*) filter (outcome is null) as open_count
from (select distinct key_1, key_2, outcome from told)
order by is_total, prompt, version, name
