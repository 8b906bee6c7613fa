-- All modules of a Worker go.
delete from worker_module where script = :script
