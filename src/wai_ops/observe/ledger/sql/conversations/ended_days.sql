-- The days on which these conversations are counted.
create or replace temp table recounted as
select distinct day from conversation_day where conversation in (select conversation from ended)
