-- The bodies that were kept.
delete from body where created_at < $before
