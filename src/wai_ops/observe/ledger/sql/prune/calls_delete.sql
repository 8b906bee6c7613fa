-- What the gateway said, and the rows with it.
delete from model_call where created_at < $before and ingest_source is not null
