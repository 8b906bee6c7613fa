-- The gateway's side is no longer needed.
delete from matched_by_key
where attempt_id in (select attempt_id from parted)
