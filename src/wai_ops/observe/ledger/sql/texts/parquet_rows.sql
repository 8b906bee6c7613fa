-- The rows of one Parquet file in which some column matches, every column as text.
from (select columns(*)::varchar from read_parquet($path))
where regexp_matches(concat_ws(chr(10), *columns(*)), $pattern);
