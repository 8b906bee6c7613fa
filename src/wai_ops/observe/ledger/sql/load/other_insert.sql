-- Keep what this version does not know.
insert into other_event
select $outbox_id, seq, kind, payload
from staged
where kind not in ('attempt', 'session', 'outcome', 'tool_call', 'decision')
