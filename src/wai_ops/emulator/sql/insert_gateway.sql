-- A new gateway; one that exists already stays as it is.
insert into gateway values (:id, :settings, :created_at, :created_at) on conflict (id) do nothing
