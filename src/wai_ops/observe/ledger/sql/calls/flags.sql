-- Which row of a request comes first, and which last.
update model_call
set is_first = is_now_first, is_last = is_now_last
from reordered
where model_call.rowid = reordered.row_number
