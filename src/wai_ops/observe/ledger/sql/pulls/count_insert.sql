insert into gateway_count by name
select
    $gateway_id as gateway_id,
    $day as day,
    $source as source,
    $counted as counted,
    $counted_until as counted_until,
    $is_settled as is_settled,
    $asked_at as asked_at
