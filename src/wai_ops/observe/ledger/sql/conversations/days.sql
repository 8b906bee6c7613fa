-- The days to look at now.
create or replace temp table looked_at as select unnest($days::date[]) as day
