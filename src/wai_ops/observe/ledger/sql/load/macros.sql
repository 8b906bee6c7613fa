-- Strict readings of the texts in a payload: null where the text is not exactly what the recorder
-- writes. DuckDB's own casts round 1.5 to 2, ignore an offset and cut digits without a word.
create or replace temp macro as_int(x) as
    case when regexp_full_match(x, '-?\d{1,18}') then x::bigint end;
create or replace temp macro as_float(x) as
    case when isfinite(try_cast(x as double)) then x::double end;
create or replace temp macro as_usd(x) as
    case when regexp_full_match(x, '-?\d{1,6}(\.\d{1,12})?') then x::decimal(18, 12) end;
create or replace temp macro as_neurons(x) as
    case when regexp_full_match(x, '-?\d{1,12}(\.\d{1,12})?') then x::decimal(24, 12) end;
create or replace temp macro as_flag(x) as
    case x when 'true' then true when 'false' then false end;
create or replace temp macro as_time(x) as
    case when regexp_full_match(x, '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z')
    then try_cast(x as timestamp) end;
create or replace temp macro missing(field, x) as
    case when x is null then field || ' is missing' end;
create or replace temp macro unread(field, x, typed) as
    case when x is not null and typed is null then field || ' cannot be read' end;
