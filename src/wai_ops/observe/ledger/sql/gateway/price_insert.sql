-- The price book, column by column.
insert into price
select
    unnest($model::varchar[]),
    unnest($since::date[]),
    unnest($neurons_in_per_m::decimal(24, 12)[]),
    unnest($neurons_cached_in_per_m::decimal(24, 12)[]),
    unnest($neurons_out_per_m::decimal(24, 12)[]),
    unnest($in_usd_per_m::decimal(18, 12)[]),
    unnest($cached_in_usd_per_m::decimal(18, 12)[]),
    unnest($out_usd_per_m::decimal(18, 12)[]),
    unnest($price_source::varchar[]),
    unnest($price_as_of::varchar[])
