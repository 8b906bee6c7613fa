-- Load the attempts that can be read as a whole.
insert into attempt by name from arrived
