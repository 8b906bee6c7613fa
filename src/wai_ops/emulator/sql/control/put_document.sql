-- A new document, or a new body for one that exists.
insert into document (kind, parent, id, body, created_at, modified_at)
values (:kind, :parent, :id, :body, :at, :at)
on conflict (kind, parent, id) do update set body = :body, modified_at = :at
