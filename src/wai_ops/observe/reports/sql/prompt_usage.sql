-- What models counted for the requests that began conversations with a prompt, by version and model:
-- the prompt's own first, then others of the same models. For learning how long a token is.
with first_call as (
    select
        prompt_name,
        -- What a flag changed is marked behind the version: such a request is not that version.
        prompt_version,
        model,
        input_tokens,
        cached_input_tokens
    from model_call
    where prompt_name is not null
        and prompt_version is not null
        and coalesce(turn_index, 0) = 0
        and input_tokens > 0
        and gateway_cache_hit is distinct from true
        and started_at >= $since
        and started_at < $until
        and model in (
            select distinct model
            from model_call
            where (prompt_name = $prompt and started_at >= $since and started_at < $until)
                or list_contains($models, model)
        )
)
select
    prompt_name,
    prompt_version,
    model,
    count(*) as call_count,
    min(input_tokens) as least_input_tokens,
    max(input_tokens) as most_input_tokens,
    quantile_disc(cached_input_tokens, 0.5) filter (cached_input_tokens > 0)
        as median_cached_tokens,
    count(*) filter (cached_input_tokens > 0) as cached_count
from first_call
group by prompt_name, prompt_version, model
order by prompt_name = $prompt desc, call_count desc, prompt_name, prompt_version, model
limit $most
