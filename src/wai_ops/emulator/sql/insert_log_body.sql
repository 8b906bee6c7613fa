-- Both bodies of a row, if the row was stored.
insert into log_body select :id, :request, :response where exists (
    select 1 from log where id = :id
)
