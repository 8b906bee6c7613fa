-- How many came and went.
select (select count(*) from came), (select count(*) from went)
