insert into ingest_mark by name
select
    $gateway_id as gateway_id,
    $source as source,
    $since as since,
    $through as through,
    $marked_at as marked_at
