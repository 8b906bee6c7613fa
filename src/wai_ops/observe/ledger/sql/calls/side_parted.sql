-- The client's side that client_insert.sql takes: that of the rows that were taken apart.
create or replace temp view client_side as
from attempt where attempt_id in (select attempt_id from parted)
