-- What the ledger says about itself.
select key, value from wai_meta
