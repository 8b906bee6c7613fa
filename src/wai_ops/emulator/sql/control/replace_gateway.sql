-- New settings for a gateway.
update gateway set settings = :settings, modified_at = :at where id = :id
