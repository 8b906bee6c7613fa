-- How many characters of a turn's stored messages are the opening: the messages of a prompt that come
-- before what the user says. A later turn's opening takes the place of an earlier one. Null: a turn
-- from before openings were told apart.
alter table turn add column opening_chars integer;
