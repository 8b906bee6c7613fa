-- How times and untrusted texts are written.
create or replace temp macro utc_text(x) as strftime(x, '%Y-%m-%dT%H:%M:%S.%fZ');
create or replace temp macro csv_text(x) as
    case when regexp_matches(x, '^[=+\-@\t\r]') then '''' || x else x end;
create or replace temp macro utc_second(x) as strftime(x, '%Y-%m-%dT%H:%M:%SZ');
