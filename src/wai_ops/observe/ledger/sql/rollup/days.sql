-- Those of them that are being made anew.
create or replace temp table rolled as select unnest($days::date[]) as day
