-- Whether any gateway row is here to be matched.
select exists (from model_call where ingest_source is not null)
