-- Archived rows by sequence number, to compare them with what the outbox says.
select seq, kind, payload from read_parquet($files) where seq between $first and $last
