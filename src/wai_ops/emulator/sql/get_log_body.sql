-- Both bodies of a row that can be seen.
select log_body.request, log_body.response, log.request_content_type, log.response_content_type
from log
join log_body on log_body.log_id = log.id
where log.gateway_id = :gateway_id and log.id = :id and log.visible_at <= :now
