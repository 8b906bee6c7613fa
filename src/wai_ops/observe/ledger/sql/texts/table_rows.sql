-- The rows of one table in which some column matches, every column as text.
from (select columns(*)::varchar from query_table($table))
where regexp_matches(concat_ws(chr(10), *columns(*)), $pattern);
