-- Where a turn's stored messages begin to differ from those that were sent, because a credential was
-- masked: the provider's cache holds the prefix up to there. Null: they are the same.
alter table turn add column masked_from integer;
