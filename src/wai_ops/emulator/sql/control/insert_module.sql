-- One module of an uploaded version.
insert into worker_module
values (:script, :version_id, :position, :name, :content_type, :content)
