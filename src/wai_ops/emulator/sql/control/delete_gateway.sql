-- A gateway goes.
delete from gateway where id = :id
