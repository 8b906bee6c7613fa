-- Keep what cannot be read, with the reason.
insert into quarantine
select $outbox_id, seq, $kind, payload, reason, $at_utc
from (
    select
        unnest($seqs::bigint[]) as seq,
        unnest($payloads::varchar[]) as payload,
        unnest($reasons::varchar[]) as reason
)
