-- Ledger, version 7: a failed call that was logged with nothing but zeros has no usage, rather than no
-- price; and what a cache saved is added up also where the cached rate is far above the plain one.

-- So many tokens at the difference of two rates, in US dollars a million. Where both are whole millionths,
-- which is the rule, 64 bits hold it exactly; rounding 128 takes ten times as long.
create or replace macro saved_usd(tokens, usd_per_m, other_usd_per_m) as
    case
        when usd_per_m < 200 and other_usd_per_m < 200
            and usd_per_m % 0.000001 = 0 and other_usd_per_m % 0.000001 = 0
            and tokens between 0 and 4294967296
            then (
                tokens * (
                    (usd_per_m::double * 1000000)::bigint - (other_usd_per_m::double * 1000000)::bigint
                )
            )::decimal(18, 0) * 0.000000000001
        else (
            tokens::decimal(13, 0) * (usd_per_m - other_usd_per_m) * 0.000001
        )::decimal(38, 12)
    end;

-- What reports and roll-ups add up: the same expressions for both, so that they agree.
create or replace view call_fact as
select
    * exclude (row_number),
    started_at::date as day,
    error_type is not null as is_failed,
    coalesce(
        -- A list of texts after `in` would be a join.
        list_contains(
            ['spend_limit', 'policy_denied', 'guardrail', 'dlp', 'local_policy', 'local_budget'],
            error_type
        ),
        false
    ) as is_denied,
    -- Whether anybody said what the call used: of one that failed, nothing but zeros says nothing.
    input_tokens is not null
        and (error_type is null or input_tokens > 0 or coalesce(output_tokens > 0, false)) as has_usage,
    cost_state in ('metered', 'confirmed', 'none') as is_cost_known,
    case when cost_state in ('metered', 'confirmed', 'none') then cost_usd end as known_cost_usd,
    case when cost_state in ('metered', 'confirmed', 'none') then neurons end as known_neurons,
    -- The first class that fits: an attempt that another one followed, the last one of a run that
    -- failed, an answer that was cut.
    case
        when not is_last then 'retried'
        when error_type is not null and error_type <> 'output_truncated' then 'failed run'
        when error_type = 'output_truncated' or finish_reason = 'length' then 'truncated'
    end as waste,
    -- Of a miss or a partial hit: what could have been cached and was not, at the difference of rates.
    case
        when affinity_result in ('miss', 'partial')
            and cacheable_tokens > coalesce(cached_input_tokens, 0)
            and cost_state in ('metered', 'confirmed')
        then saved_usd(
            least(cacheable_tokens, input_tokens) - coalesce(cached_input_tokens, 0),
            in_usd_per_m,
            cached_in_usd_per_m
        )
    end as cold_prefix_cost_usd,
    case
        when cached_input_tokens > 0 and cost_state in ('metered', 'confirmed')
        then saved_usd(
            least(cached_input_tokens, input_tokens), in_usd_per_m, cached_in_usd_per_m
        )
    end as cache_saved_usd
from numbered_call;

-- What roll-ups say of usage has changed.
insert into rollup_dirty
select distinct started_at::date from stored_call where started_at::date not in (from rollup_dirty);
