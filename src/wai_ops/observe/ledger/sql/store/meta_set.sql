-- Write one of the things that the ledger says about itself.
insert or replace into wai_meta values ($key, $value)
