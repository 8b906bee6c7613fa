-- Gateways whose id contains :search (empty: all), newest first, one page of them.
select *, count(*) over () as total_count from gateway
where instr(id, :search) > 0
order by created_at desc, id
limit :per_page offset :skipped
