-- Rows that are inserted from now on have a larger rowid, in the table or still in the transaction.
select coalesce(max(rowid), -1) from stored_call
