-- The names of its columns.
select column_name
from (describe select * exclude (is_suspect, model_place, common_end) from judged_line)
