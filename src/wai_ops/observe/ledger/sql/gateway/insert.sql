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
        coalesce(
            cached or case
                when is_success then false
                else coalesce(status_code = 429, false)
                    or list_position($unbilled::varchar[], failure) > 0
            end,
            false
        ) as is_free,
        turn_index is not null and attempt is not null as has_lineage,
        list_extract(getvariable('price_packed')::bigint[], cell) as packed
    from read
),
rated as (
    select
        *,
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
        not is_free and is_used and (
            (packed is not null and (packed >= 0 or best_output = 0))
            or (
                getvariable('price_is_fine')::boolean
                and (fine_out is not null or (best_output = 0 and fine_in is not null))
            )
        ) as is_metered
    from rated
),
weighed as (
    select
        *,
        coalesce(not is_free and not is_metered and cost > 0, false) as is_estimated,
        -- Null where it must not count: sums of nulls take less time than sums of some rows.
        if(is_metered, if(packed < 0, -1 - packed, packed), null) as rates
    from judged
),
counted as (
    select
        *,
        coalesce(
            (best_input - billed_cached) * (rates >> 42)
            + billed_cached * ((rates >> 21) & 2097151)
            + best_output * (rates & 2097151),
            if(is_free, 0, null)
        ) as neurons_e6,
        case
            when getvariable('price_is_fine')::boolean and is_metered and packed is null then (
                (best_input - billed_cached)::hugeint * fine_in
                + billed_cached::hugeint
                    * list_extract(getvariable('price_fine_cached')::hugeint[], cell)
                + best_output::hugeint * coalesce(fine_out, 0)
            )
        end as neurons_e12
    from weighed
),
priced as (
    select
        *,
        coalesce(
            ((neurons_e6 * 11)::decimal(18, 0) * 0.000000000001)::decimal(18, 12),
            case
                when getvariable('price_is_fine')::boolean
                    then (half_even(neurons_e12 * 11, 1000000) * 0.000000000001)::decimal(18, 12)
            end,
            if(is_estimated, cost, null)
        ) as own_cost,
        case
            when coalesce(
                has_lineage and meta_tenant is not null and meta_workflow is not null
                and contains(meta_prompt, '@') and meta_trace is not null,
                false
            )
                then 0
            when coalesce(meta_tenant, meta_workflow, meta_conversation, meta_prompt, meta_trace)
                is null
                then 1
            else 2
        end as contract_place
    from counted
),
placed as (
    select
        *,
        -- No place at all, which is 0, where anything is not as usual.
        (
            has_usual_texts
            and is_metered
            and status_code is not distinct from getvariable('usual').status_code
            and step is not distinct from getvariable('usual').step
            and custom_cost is not distinct from getvariable('usual').custom_cost
            and wholesale is not distinct from getvariable('usual').wholesale
            and cached is not distinct from getvariable('usual').cached
            and failure is null
        )::integer * (
            cell * 12 - 11
            + contract_place * 4
            + (usage_input_tokens is null)::integer * 2
            + (cost_state_of(own_cost, cost, custom_cost) = 'confirmed')::integer
        ) as usual_place,
        -- As told_of does, which knows less of how a call came to its usage.
        if(
            tokens_in is not distinct from best_input
                and tokens_out is not distinct from if(best_input is null, null, best_output)
                and if(
                    usage_input_tokens is not null,
                    usage_output_tokens is not null,
                    coalesce(
                        usage_output_tokens, usage_cached_input_tokens, usage_reasoning_tokens
                    ) is null
                ),
            null,
            struct_pack(
                input_tokens := tokens_in::bigint,
                output_tokens := tokens_out::bigint,
                usage_input_tokens := usage_input_tokens::bigint,
                usage_output_tokens := usage_output_tokens::bigint,
                usage_cached_input_tokens := usage_cached_input_tokens::bigint,
                usage_reasoning_tokens := usage_reasoning_tokens::bigint,
                duration_ms := duration
            )
        ) as told
    from priced
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
    best_input as input_tokens,
    best_cached as cached_input_tokens,
    if(best_input is null, null, best_output) as output_tokens,
    usage_reasoning_tokens as reasoning_tokens,
    duration as duration_ms,
    own_cost as cost_usd,
    coalesce(
        (neurons_e6::decimal(18, 0) * 0.000001)::decimal(24, 12),
        case
            when getvariable('price_is_fine')::boolean
                then (neurons_e12::decimal(26, 0) * 0.000000000001)::decimal(24, 12)
        end
    ) as neurons,
    cost as gateway_cost_usd,
    latency as gateway_latency_ms,
    $at_utc as ingested_at,
    -- In the order of stored_form; constants that stand side by side are one, put together before.
    case
        when is_suspect then 'second look'
        else coalesce(list_extract(getvariable('usual_common')::varchar[], usual_place), concat(
            case contract_place
                when 0 then 'gateway only' || chr(31) || 'complete' || chr(31)
                when 1 then 'gateway only' || chr(31) || 'missing' || chr(31)
                else 'gateway only' || chr(31) || 'partial' || chr(31)
            end,
            case
                when is_free then 'none'
                when is_metered then cost_state_of(own_cost, cost, custom_cost)
                when is_estimated then 'estimated'
                else 'unknown'
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
                when custom_cost
                    then chr(31) || chr(31) || chr(31) || chr(31) || 'true' || chr(31)
                when not custom_cost
                    then chr(31) || chr(31) || chr(31) || chr(31) || 'false' || chr(31)
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
            -- A missing text is an empty one here.
            concat(
                provider, chr(31),
                path, chr(31),
                request_type, chr(31),
                model_type, chr(31),
                finish_reason, chr(31),
                byok, chr(31),
                dlp_action, chr(31),
                user_agent
            ),
            chr(31),
            coalesce(gateway, $gateway_id),
            chr(31),
            failure,
            case
                when cached then chr(31) || 'true'
                when not cached then chr(31) || 'false'
                else chr(31)
            end
        ))
    end as common,
    rare_of(
        error_code,
        if(is_suspect, null, error_message),
        null,
        null,
        feedback,
        score,
        told
    ) as rare
from placed
