-- Whether this database has the table that marks ours.
select exists (
    from duckdb_tables() where table_name = 'wai_meta' and schema_name = 'main' and not temporary
)
