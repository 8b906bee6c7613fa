-- What counts now.
insert into conversation_outcome by name
select conversation, outcome from ended where outcome is not null
