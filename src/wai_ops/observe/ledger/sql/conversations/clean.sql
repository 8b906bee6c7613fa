-- These days are up to date.
delete from conversation_stale where day in (select day from looked_at)
