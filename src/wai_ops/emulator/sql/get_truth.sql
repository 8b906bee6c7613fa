-- The counters of the hours from :start to before :finish.
select * from truth where hour_at >= :start and hour_at < :finish
