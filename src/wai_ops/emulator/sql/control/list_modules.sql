-- The modules of a version, in the order in which they were uploaded.
select * from worker_module where script = :script and version_id = :version_id order by position
