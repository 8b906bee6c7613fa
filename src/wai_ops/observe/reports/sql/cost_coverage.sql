-- What the numbers of the cost report stand on over [$since, $until), and what they could not cover.
select
    count(*) as request_count,
    count(distinct run_id) as run_count,
    -- With usage and without a cost, it was the price that nobody knew.
    count(*) filter (cost_state = 'unknown' and input_tokens is not null) as unpriced_count,
    count(*) filter (cost_state = 'unknown' and input_tokens is null) as unreported_count,
    count(*) filter (cost_state = 'estimated') as estimated_count,
    count(*) filter (target = 'local') as local_count,
    count(*) filter (input_tokens is not null and cached_input_tokens is null)
        as cache_unreported_count,
    coalesce(
        list_sort(list(distinct coalesce(served_model, requested_model)) filter (
            cost_state = 'unknown' and input_tokens is not null
        )), []
    ) as unpriced_models,
    coalesce(
        list_sort(list(distinct price_source || ' of ' || price_as_of) filter (
            price_source is not null and price_as_of is not null
        )), []
    ) as price_sources,
    (select count(*) from quarantine) as quarantined_count
from attempt
where ($since::timestamp is null or started_at >= $since)
    and ($until::timestamp is null or started_at < $until)
