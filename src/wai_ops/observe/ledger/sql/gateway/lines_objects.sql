-- Log rows as the Logs API lists them, with metadata as an object. Columns that are not named here
-- are not read; a value of another type is an error, and so is a longer row: smaller pieces of the
-- file are read faster. lines_texts.sql reads both.
create or replace temp view log_line as
select
    * exclude (metadata, usage_metadata, timings),
    metadata.tenant as meta_tenant,
    metadata.workflow as meta_workflow,
    metadata.conversation as meta_conversation,
    metadata.prompt as meta_prompt,
    metadata.trace as meta_trace,
    usage_metadata.input_tokens as usage_input_tokens,
    usage_metadata.output_tokens as usage_output_tokens,
    usage_metadata.input_cached_tokens as usage_cached_input_tokens,
    usage_metadata.output_reasoning_tokens as usage_reasoning_tokens,
    timings.latency as latency
from read_json(
    getvariable('log_files')::varchar[],
    format = 'newline_delimited',
    maximum_object_size = 4194304,
    columns = {
        id: 'VARCHAR',
        created_at: 'TIMESTAMPTZ',
        provider: 'VARCHAR',
        model: 'VARCHAR',
        model_type: 'VARCHAR',
        path: 'VARCHAR',
        duration: 'BIGINT',
        request_type: 'VARCHAR',
        status_code: 'SMALLINT',
        success: 'BOOLEAN',
        cached: 'BOOLEAN',
        tokens_in: 'UINTEGER',
        tokens_out: 'UINTEGER',
        cost: 'DECIMAL(18, 12)',
        custom_cost: 'BOOLEAN',
        metadata: 'STRUCT(tenant VARCHAR, workflow VARCHAR, conversation VARCHAR, prompt VARCHAR, '
            'trace VARCHAR)',
        step: 'INTEGER',
        event_id: 'VARCHAR',
        usage_metadata: 'STRUCT(input_tokens UINTEGER, output_tokens UINTEGER, '
            'input_cached_tokens UINTEGER, output_reasoning_tokens UINTEGER)',
        timings: 'STRUCT(latency DOUBLE)',
        user_agent: 'VARCHAR',
        feedback: 'INTEGER',
        score: 'DOUBLE',
        wholesale: 'BOOLEAN',
        byok: 'VARCHAR',
        dlp_action: 'VARCHAR',
        gateway: 'VARCHAR',
        error_code: 'INTEGER',
        error_message: 'VARCHAR',
        finish_reason: 'VARCHAR',
        error_type: 'VARCHAR'
    }
)
