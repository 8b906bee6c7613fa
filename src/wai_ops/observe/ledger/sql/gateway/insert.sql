-- Every line of the batch as a call that only the gateway has told of so far. What is twice in the
-- batch, or in the ledger already, or known from the client, is put right afterwards. Of a line that
-- needs a second look nothing is stored but that it is there.
insert into stored_call by name
-- Each step below names what the next one uses: an alias within one step would be computed again
-- wherever it is used under a condition.
with line as (
    select
        *,
        -- A plain cast asks the calendar of the session's time zone, which is UTC, about every row.
        make_timestamp(epoch_us(created_at)) as ended_at,
        make_timestamp(epoch_us(created_at) - coalesce(duration, 0) * 1000) as started_at,
        coalesce(success, status_code < 400, true) as is_success,
        string_split(meta_conversation, '.') as parts,
        coalesce(usage_input_tokens, tokens_in) as best_input,
        coalesce(usage_output_tokens, tokens_out, 0) as best_output,
        if(usage_input_tokens is not null, usage_cached_input_tokens, null) as best_cached
    from judged_line
),
read as (
    select
        *,
        try_cast(parts[-2] as uinteger) as turn_index,
        try_cast(parts[-1] as uinteger) as attempt,
        least(coalesce(best_cached, 0), best_input) as billed_cached,
        case
            when is_success then null
            when error_type is not null then error_type
            else coalesce(list_extract($class_of_status::varchar[], status_code), 'unknown')
        end as failure,
        -- Usage of a failed call that is all zero says nothing.
        best_input is not null and (is_success or best_input > 0 or best_output > 0) as is_used,
        case
            when model_place = 0 then 0
            when getvariable('price_first_day') is null then model_place
            when started_at < getvariable('price_first_day')::date then model_place
            else model_place + len(getvariable('price_names')::varchar[]) * list_extract(
                getvariable('price_periods')::bigint[],
                least(
                    started_at::date - getvariable('price_first_day')::date + 1,
                    len(getvariable('price_periods')::bigint[])
                )
            )
        end as cell
    from line
),
looked_up as (
    select
        *,
        cached or case
            when is_success then false
            else coalesce(status_code = 429, false)
                or list_position($unbilled::varchar[], failure) > 0
        end as is_free,
        turn_index is not null and attempt is not null as has_lineage,
        list_extract(getvariable('price_packed')::bigint[], cell) as packed
    from read
),
rated as (
    select
        *,
        if(packed < 0, -1 - packed, packed) as rates,
        -- What nothing is priced at in this batch costs no time: the variable is a constant here.
        case
            when getvariable('price_is_fine')::boolean and packed is null
                then list_extract(getvariable('price_fine_in')::hugeint[], cell)
        end as fine_in,
        case
            when getvariable('price_is_fine')::boolean and packed is null
                then list_extract(getvariable('price_fine_out')::hugeint[], cell)
        end as fine_out
    from looked_up
),
judged as (
    select
        *,
        packed is not null or (getvariable('price_is_fine')::boolean and fine_in is not null) as is_priced,
        case
            when is_free then 'none'
            when is_used and (
                packed >= 0
                or (best_output = 0 and packed is not null)
                or (
                    getvariable('price_is_fine')::boolean
                    and (fine_out is not null or (best_output = 0 and fine_in is not null))
                )
            ) then 'metered'
            when cost > 0 then 'estimated'
            else 'unknown'
        end as basis
    from rated
),
counted as (
    select
        *,
        basis = 'estimated' as is_estimated,
        case
            when basis = 'none' then 0
            when basis = 'metered' and packed is not null then (
                (best_input - billed_cached) * (rates >> 42)
                + billed_cached * ((rates >> 21) & 2097151)
                + best_output * (rates & 2097151)
            )
        end as neurons_e6,
        case
            when getvariable('price_is_fine')::boolean and basis = 'metered' and packed is null then (
                (best_input - billed_cached)::hugeint * fine_in
                + billed_cached::hugeint
                    * list_extract(getvariable('price_fine_cached')::hugeint[], cell)
                + best_output::hugeint * coalesce(fine_out, 0)
            )
        end as neurons_e12
    from judged
),
priced as (
    select
        *,
        case
            when neurons_e6 is not null
                then ((neurons_e6 * 11)::decimal(18, 0) * 0.000000000001)::decimal(18, 12)
            when getvariable('price_is_fine')::boolean and neurons_e12 is not null
                then (half_even(neurons_e12 * 11, 1000000) * 0.000000000001)::decimal(18, 12)
            when is_estimated then cost
        end as own_cost
    from counted
)
select
    true as is_first,
    true as is_last,
    if(is_suspect or id = '', null, id) as log_id,
    if(is_suspect, null, meta_trace) as run_id,
    if(is_suspect, null, event_id) as event_id,
    started_at,
    ended_at as created_at,
    if(is_suspect, null, meta_tenant) as tenant,
    if(is_suspect, null, meta_workflow) as workflow,
    -- What is not spelled as the contract says is kept as it is.
    case
        when is_suspect then null
        when not has_lineage then meta_conversation
        when len(parts) = 3 then parts[1]
        else left(
            meta_conversation,
            length(meta_conversation) - length(parts[-2]) - length(parts[-1]) - 2
        )
    end as conversation_id,
    if(has_lineage, turn_index, null) as turn_index,
    if(has_lineage, attempt, null) as attempt,
    if(is_suspect, null, meta_prompt) as prompt,
    if(is_suspect, null, coalesce(gateway, $gateway_id)) as gateway_id,
    if(is_suspect, null, failure) as error_type,
    cached as gateway_cache_hit,
    best_input as input_tokens,
    best_cached as cached_input_tokens,
    if(best_input is null, null, best_output) as output_tokens,
    usage_reasoning_tokens as reasoning_tokens,
    duration as duration_ms,
    own_cost as cost_usd,
    case
        when neurons_e6 is not null
            then (neurons_e6::decimal(18, 0) * 0.000001)::decimal(24, 12)
        when getvariable('price_is_fine')::boolean and neurons_e12 is not null
            then (neurons_e12::decimal(26, 0) * 0.000000000001)::decimal(24, 12)
    end as neurons,
    cost as gateway_cost_usd,
    tokens_in as gateway_input_tokens,
    tokens_out as gateway_output_tokens,
    usage_input_tokens,
    usage_output_tokens,
    usage_cached_input_tokens,
    usage_reasoning_tokens,
    duration as gateway_duration_ms,
    latency as gateway_latency_ms,
    $at_utc as ingested_at,
    -- In the order of stored_form; constants that stand side by side are one, put together before.
    if(is_suspect, 'second look', concat(
        case
            when has_lineage and meta_tenant is not null and meta_workflow is not null
                and contains(meta_prompt, '@') and meta_trace is not null
                then 'gateway only' || chr(31) || 'complete' || chr(31)
            when coalesce(meta_tenant, meta_workflow, meta_conversation, meta_prompt, meta_trace)
                is null
                then 'gateway only' || chr(31) || 'missing' || chr(31)
            else 'gateway only' || chr(31) || 'partial' || chr(31)
        end,
        case
            when basis = 'metered' then cost_state_of(own_cost, cost, custom_cost)
            else basis
        end,
        case
            when usage_input_tokens is not null then chr(31) || 'gateway usage' || chr(31)
            when tokens_in is not null then chr(31) || 'gateway tokens' || chr(31)
            else chr(31) || chr(31)
        end,
        $target || chr(31) || $ingest_source || chr(31),
        case
            when is_estimated then 'gateway' || chr(31) || chr(31) || chr(31) || chr(31)
            when not is_priced then chr(31) || chr(31) || chr(31) || chr(31)
            else coalesce(
                list_extract(getvariable('price_labels')::varchar[], cell),
                concat(
                    list_extract(getvariable('price_sources')::varchar[], cell), chr(31),
                    strftime(started_at, '%Y-%m-%d'), chr(31),
                    list_extract(getvariable('price_rates')::varchar[], cell)
                )
            )
        end,
        case
            when custom_cost then chr(31) || chr(31) || chr(31) || chr(31) || 'true' || chr(31)
            when not custom_cost then chr(31) || chr(31) || chr(31) || chr(31) || 'false' || chr(31)
            else chr(31) || chr(31) || chr(31) || chr(31) || chr(31)
        end,
        case
            when wholesale then 'true' || chr(31)
            when not wholesale then 'false' || chr(31)
            else chr(31)
        end,
        status_code,
        chr(31),
        step,
        chr(31) || chr(31),
        model,
        chr(31),
        common_end
    )) as common,
    if(
        error_code is null and error_message is null and feedback is null and score is null,
        null,
        [struct_pack(
            error_code := error_code,
            error_message := if(is_suspect, null, error_message),
            max_output_tokens := null,
            affinity_epoch := null,
            feedback := feedback,
            score := score
        )]
    ) as rare
from priced
