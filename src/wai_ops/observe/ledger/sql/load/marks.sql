-- How far each outbox has been loaded.
select outbox_id, folded_through from fold_mark
