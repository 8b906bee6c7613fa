-- The lines that need a second look.
select * exclude (is_suspect, model_place, has_usual_texts) replace (created_at::timestamp as created_at)
from judged_line
where is_suspect
