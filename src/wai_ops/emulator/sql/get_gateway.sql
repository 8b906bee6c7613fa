-- One gateway by its id.
select * from gateway where id = :id
