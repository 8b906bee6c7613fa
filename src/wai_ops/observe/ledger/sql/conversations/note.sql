-- The days whose roll-ups are being made anew, for the conversations too.
insert into conversation_stale
select day from rolled where exists (from wai_meta where key = 'conversations_kept')
