-- From now on these rows count as loaded. In the same transaction as the rows themselves.
insert into fold_mark values ($outbox_id, $through, $at_utc)
on conflict (outbox_id) do update set
    folded_through = excluded.folded_through, folded_at = excluded.folded_at
