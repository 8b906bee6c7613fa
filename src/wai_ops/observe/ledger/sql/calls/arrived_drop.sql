-- Those were all.
drop view arrived
