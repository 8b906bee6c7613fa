-- The names of its columns.
select column_name
from (describe select * exclude (is_suspect) from judged_line)
