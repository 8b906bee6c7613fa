-- As lines_objects.sql, with metadata as the text of an object, or as either.
create or replace temp view log_line as
select
    * exclude (metadata, entries, usage_metadata, timings),
    entries.tenant as meta_tenant,
    entries.workflow as meta_workflow,
    entries.conversation as meta_conversation,
    entries.prompt as meta_prompt,
    entries.trace as meta_trace,
    usage_metadata.input_tokens as usage_input_tokens,
    usage_metadata.output_tokens as usage_output_tokens,
    usage_metadata.input_cached_tokens as usage_cached_input_tokens,
    usage_metadata.output_reasoning_tokens as usage_reasoning_tokens,
    timings.latency as latency
from (
    select
        *,
        try(from_json(
            metadata,
            '{
                "tenant": "VARCHAR",
                "workflow": "VARCHAR",
                "conversation": "VARCHAR",
                "prompt": "VARCHAR",
                "trace": "VARCHAR"
            }'
        )) as entries
    from read_json(
        getvariable('log_files')::varchar[],
        format = 'newline_delimited',
        maximum_object_size = 33554432,
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
            metadata: 'VARCHAR',
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
)
