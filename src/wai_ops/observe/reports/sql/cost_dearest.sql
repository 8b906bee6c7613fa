-- The names of the dearest groups, the ones without a known cost last: for groups that can be too many.
select ({group})::varchar as name
from call_fact
where {where}
group by {group}
order by sum(known_cost_usd) desc nulls last, name
limit $most
