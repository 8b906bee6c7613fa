-- For a ledger that has attempts and no calls yet: all of them.
create or replace temp view arrived as from attempt
