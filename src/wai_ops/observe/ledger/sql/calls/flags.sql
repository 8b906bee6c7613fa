-- Which row of a request comes first, and which last.
update stored_call
set is_first = is_now_first, is_last = is_now_last
from reordered
where stored_call.rowid = reordered.row_number
