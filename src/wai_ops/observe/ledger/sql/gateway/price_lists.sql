-- The grid as lists. Rates that are whole neurons below 2^21 a million tokens, which is the rule, are
-- packed into one number, and the cost of a call is then exact in 64 bits; it is negative, less one,
-- where no price for output is known. The `fine` rates are in millionths of a neuron, for the others.
set variable price_packed = (
    select list(
        case
            when rate_in = trunc(rate_in) and rate_in < 2097152
                and rate_cached = trunc(rate_cached) and rate_cached < 2097152
                and rate_out_or_none = trunc(rate_out_or_none) and rate_out_or_none < 2097152
            then if(
                rate_out is null,
                -1 - ((rate_in::bigint << 42) + (rate_cached::bigint << 21)),
                (rate_in::bigint << 42) + (rate_cached::bigint << 21) + rate_out::bigint
            )
        end
        order by number
    )
    from price_grid
);
set variable price_fine_in = (
    select list((rate_in * 1000000)::hugeint order by number) from price_grid
);
set variable price_fine_cached = (
    select list((rate_cached * 1000000)::hugeint order by number) from price_grid
);
set variable price_fine_out = (
    select list((rate_out * 1000000)::hugeint order by number) from price_grid
);
set variable price_is_fine = (
    select bool_or(packed is null and rate_in is not null)
    from (
        select rate_in, list_extract(getvariable('price_packed')::bigint[], number) as packed
        from price_grid
    )
);
-- What a report says that a call was priced at, as the texts of stored_call.common; the whole label is
-- null where the day of the call is part of it.
set variable price_sources = (select list(price_source order by number) from price_grid);
set variable price_rates = (
    select list(
        concat_ws(
            chr(31),
            common_rate(usd_of_fine((rate_in * 1000000)::hugeint)),
            common_rate(usd_of_fine((rate_cached * 1000000)::hugeint)),
            common_rate(usd_of_fine((rate_out * 1000000)::hugeint))
        )
        order by number
    )
    from price_grid
);
set variable price_labels = (
    select list(
        price_source || chr(31) || nullif(price_as_of, '') || chr(31)
            || list_extract(getvariable('price_rates')::varchar[], number)
        order by number
    )
    from price_grid
);
-- How many days of change each day comes after, from the first such day to the last.
set variable price_first_day = (select min(since) from price_grid where since > '1970-01-01');
set variable price_periods = (
    select list(number order by day)
    from (
        select day, (select count(distinct since) from price_grid where since > '1970-01-01' and since <= day) as number
        from (
            select unnest(generate_series(
                getvariable('price_first_day')::timestamp,
                (select max(since) from price_grid)::timestamp,
                interval 1 day
            ))::date as day
        )
    )
);
