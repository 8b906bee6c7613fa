-- How many gateways there are.
select count(*) from gateway
