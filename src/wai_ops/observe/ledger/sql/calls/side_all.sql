-- The client's side that client_insert.sql takes: everything, for a ledger that has no calls yet.
create or replace temp view client_side as from attempt
