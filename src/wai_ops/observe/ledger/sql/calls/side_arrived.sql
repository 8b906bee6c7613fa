-- The client's side that client_insert.sql takes: what was just loaded.
create or replace temp view client_side as from arrived
