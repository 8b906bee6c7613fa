-- The names of its columns.
select column_name
from (describe select * exclude (is_suspect, model_place) from judged_line)
