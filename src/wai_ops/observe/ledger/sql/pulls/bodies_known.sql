-- Whose bodies are here already.
select distinct log_id
from body
where created_at >= $since
    and created_at < $until
