-- It is written anew as a whole.
delete from price
