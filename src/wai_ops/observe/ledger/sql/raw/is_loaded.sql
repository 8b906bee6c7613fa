-- Whether this ledger has looked at the kept rows since it was made.
select exists (from wai_meta where key = 'raw_loaded')
