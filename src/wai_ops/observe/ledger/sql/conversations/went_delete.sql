-- These days are no longer theirs.
delete from conversation_day
where (day, conversation) in (select (day, conversation) from went)
