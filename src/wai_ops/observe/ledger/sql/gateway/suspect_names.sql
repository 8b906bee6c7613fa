-- The names of its columns.
select column_name
from (describe select * exclude (is_suspect, model_place, has_usual_texts) from judged_line)
