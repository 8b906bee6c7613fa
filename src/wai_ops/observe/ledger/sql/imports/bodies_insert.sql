-- Bodies from a spool that an adapter wrote, redacted.
insert into body by name
select *, $at_utc as fetched_at
from read_json(
    $spool,
    format = 'newline_delimited',
    maximum_object_size = 67108864,
    columns = {
        log_id: 'VARCHAR',
        created_at: 'TIMESTAMP',
        kind: 'VARCHAR',
        content: 'VARCHAR',
        is_truncated: 'BOOLEAN',
        redacted_count: 'BIGINT'
    }
)
