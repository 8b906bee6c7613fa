-- Every line of the batch as a call that only the gateway has told of so far. What is twice in the
-- batch, or in the ledger already, or known from the client, is put right afterwards. Of a line that
-- needs a second look nothing is stored but that it is there.
insert into model_call by name
with line as (
    select
        *,
        created_at::timestamp as ended_at,
        ended_at - to_milliseconds(coalesce(duration, 0)) as started_at,
        coalesce(success, status_code < 400, true) as is_success,
        try_cast(split_part(meta_conversation, '.', -2) as uinteger) as turn_index,
        try_cast(split_part(meta_conversation, '.', -1) as uinteger) as attempt,
        coalesce(usage_input_tokens, tokens_in) as best_input,
        coalesce(usage_output_tokens, tokens_out, 0) as best_output,
        if(usage_input_tokens is not null, usage_cached_input_tokens, null) as best_cached,
        least(coalesce(best_cached, 0), best_input) as billed_cached,
        case
            when is_success then null
            when error_type is not null then error_type
            else coalesce(list_extract($class_of_status::varchar[], status_code), 'unknown')
        end as failure,
        case
            when is_success then false
            else coalesce(status_code = 429, false)
                or list_contains($unbilled::varchar[], failure)
        end as is_refused,
        -- Usage of a failed call that is all zero says nothing.
        best_input is not null and (is_success or best_input > 0 or best_output > 0) as is_used
    from judged_line
),
priced as (
    select
        line.*,
        price_span.* exclude (model, since, until),
        case
            when cached or is_refused then 'none'
            when is_used and rate_in is not null and (rate_out is not null or best_output = 0)
                then 'metered'
            when cost > 0 then 'estimated'
            else 'unknown'
        end as basis,
        case
            when basis = 'metered' and is_whole then (
                (best_input - billed_cached) * whole_in
                + billed_cached * whole_cached
                + best_output * whole_out
            )
        end as whole_neurons,
        case
            when basis = 'metered' and not is_whole then (
                (best_input - billed_cached)::hugeint * fine_in
                + billed_cached::hugeint * fine_cached
                + best_output::hugeint * fine_out
            )
        end as fine_neurons,
        case
            when basis = 'none' then 0
            when whole_neurons is not null
                then ((whole_neurons * 11)::decimal(18, 0) * 0.000000000001)::decimal(18, 12)
            when fine_neurons is not null
                then (half_even(fine_neurons * 11, 1000000) * 0.000000000001)::decimal(18, 12)
            when basis = 'estimated' then cost
        end as own_cost,
        case
            when basis = 'none' then 0
            when whole_neurons is not null
                then (whole_neurons::decimal(18, 0) * 0.000001)::decimal(24, 12)
            when fine_neurons is not null
                then (half_even(fine_neurons, 1) * 0.000000000001)::decimal(24, 12)
        end as own_neurons
    from line
    left join price_span
        on line.model = price_span.model
        and line.started_at >= price_span.since
        and line.started_at < price_span.until
)
select
    true as is_first,
    true as is_last,
    if(is_suspect, 'second look', 'gateway only') as sources,
    if(is_suspect or id = '', null, id) as log_id,
    if(is_suspect, null, meta_trace) as run_id,
    if(is_suspect, null, event_id) as event_id,
    step,
    started_at,
    ended_at as created_at,
    if(is_suspect, null, meta_tenant) as tenant,
    if(is_suspect, null, meta_workflow) as workflow,
    -- What is not spelled as the contract says is kept as it is.
    case
        when is_suspect then null
        when attempt is null or turn_index is null then meta_conversation
        else left(
            meta_conversation,
            length(meta_conversation)
            - length(split_part(meta_conversation, '.', -1))
            - length(split_part(meta_conversation, '.', -2)) - 2
        )
    end as conversation_id,
    if(attempt is null, null, turn_index) as turn_index,
    if(turn_index is null, null, attempt) as attempt,
    case
        when is_suspect then null
        when strpos(meta_prompt, '@') = 0 then meta_prompt
        else left(meta_prompt, length(meta_prompt) - length(split_part(meta_prompt, '@', -1)) - 1)
    end as prompt_name,
    if(is_suspect or strpos(meta_prompt, '@') = 0, null, split_part(meta_prompt, '@', -1))
        as prompt_version,
    case
        when meta_tenant is not null and meta_workflow is not null and attempt is not null
            and turn_index is not null and strpos(meta_prompt, '@') > 0 and meta_trace is not null
            then 'complete'
        when coalesce(meta_tenant, meta_workflow, meta_conversation, meta_prompt, meta_trace) is null
            then 'missing'
        else 'partial'
    end as contract,
    if(is_suspect, null, coalesce(gateway, $gateway_id)) as gateway_id,
    if(is_suspect, null, provider) as provider,
    if(is_suspect, null, model) as model,
    $target as target,
    if(is_suspect, null, path) as endpoint,
    status_code as http_status,
    if(is_suspect, null, failure) as error_type,
    error_code,
    if(is_suspect, null, error_message) as error_message,
    if(is_suspect, null, finish_reason) as finish_reason,
    cached as gateway_cache_hit,
    case
        when usage_input_tokens is not null then 'gateway usage'
        when tokens_in is not null then 'gateway tokens'
    end as usage_source,
    best_input as input_tokens,
    best_cached as cached_input_tokens,
    if(best_input is null, null, best_output) as output_tokens,
    usage_reasoning_tokens as reasoning_tokens,
    duration as duration_ms,
    case
        when basis = 'metered' then cost_state_of(own_cost, cost, custom_cost)
        else basis
    end as cost_state,
    own_cost as cost_usd,
    own_neurons as neurons,
    if(basis = 'estimated', null, in_usd_per_m) as in_usd_per_m,
    if(basis = 'estimated', null, cached_in_usd_per_m) as cached_in_usd_per_m,
    if(basis = 'estimated', null, out_usd_per_m) as out_usd_per_m,
    if(basis = 'estimated', 'gateway', price_source) as price_source,
    case
        when basis = 'estimated' then null
        when price_as_of = '' then strftime(started_at, '%Y-%m-%d')
        else price_as_of
    end as price_as_of,
    cost as gateway_cost_usd,
    custom_cost as gateway_custom_cost,
    tokens_in as gateway_input_tokens,
    tokens_out as gateway_output_tokens,
    usage_input_tokens,
    usage_output_tokens,
    usage_cached_input_tokens,
    usage_reasoning_tokens,
    duration as gateway_duration_ms,
    latency as gateway_latency_ms,
    if(is_suspect, null, request_type) as request_type,
    if(is_suspect, null, model_type) as model_type,
    wholesale,
    if(is_suspect, null, byok) as byok,
    if(is_suspect, null, dlp_action) as dlp_action,
    if(is_suspect, null, user_agent) as user_agent,
    feedback,
    score,
    $ingest_source as ingest_source,
    $at_utc as ingested_at
from priced
