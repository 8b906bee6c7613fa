-- What counted before.
delete from conversation_outcome where conversation in (select conversation from ended)
