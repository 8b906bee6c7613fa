-- Tool calls from a spool that an adapter wrote.
create or replace temp table imported_tool_call as
from read_json(
    $spool,
    format = 'newline_delimited',
    columns = {
        tool_call_id: 'VARCHAR',
        request_id: 'VARCHAR',
        log_id: 'VARCHAR',
        tenant: 'VARCHAR',
        workflow: 'VARCHAR',
        conversation_id: 'VARCHAR',
        turn_index: 'BIGINT',
        model: 'VARCHAR',
        tool_name: 'VARCHAR',
        tool_family: 'VARCHAR',
        arguments_sha256: 'VARCHAR',
        started_at: 'TIMESTAMP',
        duration_ms: 'DOUBLE',
        error_type: 'VARCHAR',
        source: 'VARCHAR'
    }
)
