-- FOCUS 1.2: what calls cost, one row a period, tenant, workflow, model, rates and kind of token.
--
-- Only costs that are known from usage (metered, confirmed). BilledCost and EffectiveCost add up to
-- the ledger's own sum exactly: what rounding each call to twelve places left over is in the last
-- kind of token of its group. ListCost and ContractedCost are price times quantity.
create or replace temp table focus_1_2 as
with call as (
    select
        date_trunc($grain, started_at) as period,
        coalesce(target, 'cloudflare') = 'local' as is_local,
        coalesce(provider, 'workers-ai') as provider,
        tenant,
        workflow,
        model,
        cost_state,
        price_source,
        price_as_of,
        in_usd_per_m as in_rate,
        coalesce(cached_in_usd_per_m, in_usd_per_m) as cached_rate,
        coalesce(out_usd_per_m, 0::decimal(18, 12)) as out_rate,
        least(coalesce(cached_input_tokens, 0), input_tokens) as cached,
        input_tokens as input,
        output_tokens as output,
        cost_usd
    from model_call
    where {where}
        and cost_state in ('metered', 'confirmed')
        and cost_usd is not null and in_usd_per_m is not null and input_tokens is not null
),
grouped as (
    select
        period, is_local, provider, tenant, workflow, model, cost_state, price_source, price_as_of,
        in_rate, cached_rate, out_rate,
        sum(input - cached)::decimal(18, 0) as uncached,
        sum(cached)::decimal(18, 0) as cached,
        sum(coalesce(output, 0))::decimal(18, 0) as output,
        sum(cost_usd)::decimal(38, 12) as total_usd
    from call
    group by all
),
kind as (
    select *, 'Input Tokens' as meter, uncached as tokens, in_rate as rate, 2 as place
    from grouped where uncached > 0
    union all by name
    select *, 'Cached Input Tokens' as meter, cached as tokens, cached_rate as rate, 1 as place
    from grouped where cached > 0
    union all by name
    select *, 'Output Tokens' as meter, output as tokens, out_rate as rate, 3 as place
    from grouped where output > 0
),
priced as (
    select
        *,
        (tokens * 0.000001::decimal(7, 6))::decimal(20, 6) as quantity,
        -- Dollars are derived from neurons, so this division leaves no rest: 1,000 cost $0.011.
        ((((rate * 1000000000000)::hugeint * 1000000) // 11)::decimal(26, 0)
            * 0.000000000001::decimal(12, 12))::decimal(30, 12) as neuron_rate
    from kind
),
rounded as (
    select
        *,
        (quantity * rate)::decimal(38, 18) as list_usd,
        round((quantity * rate)::decimal(38, 18), 12)::decimal(38, 12) as rounded_usd,
        -- In the order of `place`, the last kind takes what is left.
        place = max(place) over same_group as is_rest,
        sum(round((quantity * rate)::decimal(38, 18), 12)::decimal(38, 12)) over same_group as sum_usd
    from priced
    window same_group as (
        partition by
            period, is_local, provider, tenant, workflow, model, cost_state, price_source,
            price_as_of, in_rate, cached_rate, out_rate
    )
),
charge as (
    select
        *,
        case when is_rest then total_usd - (sum_usd - rounded_usd) else rounded_usd end
            ::decimal(38, 12) as billed_usd,
        case when provider = 'workers-ai' then 'Cloudflare' else provider end as seller
    from rounded
)
select
    billed_usd as "BilledCost",
    $account_id::varchar as "BillingAccountId",
    $account_name::varchar as "BillingAccountName",
    'USD' as "BillingCurrency",
    utc_second(date_trunc('month', period) + interval 1 month) as "BillingPeriodEnd",
    utc_second(date_trunc('month', period)) as "BillingPeriodStart",
    'Usage' as "ChargeCategory",
    null::varchar as "ChargeClass",
    meter || ' of ' || model as "ChargeDescription",
    'Usage-Based' as "ChargeFrequency",
    utc_second(period + case $grain when 'hour' then interval 1 hour else interval 1 day end)
        as "ChargePeriodEnd",
    utc_second(period) as "ChargePeriodStart",
    null::varchar as "CommitmentDiscountStatus",
    tokens::decimal(20, 1) as "ConsumedQuantity",
    'Tokens' as "ConsumedUnit",
    list_usd as "ContractedCost",
    rate as "ContractedUnitPrice",
    billed_usd as "EffectiveCost",
    -- The provider's to give, and not known here.
    null::varchar as "InvoiceId",
    seller as "InvoiceIssuerName",
    list_usd as "ListCost",
    rate as "ListUnitPrice",
    'Standard' as "PricingCategory",
    'Neurons' as "PricingCurrency",
    neuron_rate as "PricingCurrencyContractedUnitPrice",
    (quantity * neuron_rate)::decimal(38, 18) as "PricingCurrencyEffectiveCost",
    neuron_rate as "PricingCurrencyListUnitPrice",
    quantity as "PricingQuantity",
    '1000000 Tokens' as "PricingUnit",
    seller as "ProviderName",
    seller as "PublisherName",
    'AI and Machine Learning' as "ServiceCategory",
    case when provider = 'workers-ai' then 'Workers AI' else 'AI Gateway' end as "ServiceName",
    'Generative AI' as "ServiceSubcategory",
    provider || '/' || model as "SkuId",
    meter as "SkuMeter",
    null::varchar as "SkuPriceDetails",
    concat_ws('/', provider, model, replace(lower(meter), ' ', '-'), price_source, price_as_of)
        as "SkuPriceId",
    tenant as "SubAccountId",
    tenant as "SubAccountName",
    case
        when workflow is null then '{}'
        else json_object('workflow', workflow)::varchar
    end as "Tags",
    cost_state as "x_CostState",
    price_as_of as "x_PriceAsOf",
    price_source as "x_PriceSource",
    is_local as "x_IsLocal",
    workflow as "x_Workflow"
from charge
order by period, tenant, workflow, model, place, price_as_of, price_source, cost_state
