-- First and last call of two versions of a prompt.
select
    prompt_version as version,
    min(started_at) as first_at,
    max(started_at) as last_at
from model_call
where prompt_name = $prompt and prompt_version in ($old, $new) and {where}
group by prompt_version
order by prompt_version
