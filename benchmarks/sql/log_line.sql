-- The log rows of a file with every column that they have, in explicit types, metadata and usage taken
-- apart: what the bare scripts read. The file is the variable log_file.
create temp view log_line as
select
    * exclude (metadata, usage_metadata, timings, location),
    metadata.tenant, metadata.workflow, metadata.conversation, metadata.prompt, metadata.trace,
    usage_metadata.input_tokens as usage_input_tokens,
    usage_metadata.output_tokens as usage_output_tokens,
    usage_metadata.total_tokens as usage_total_tokens,
    usage_metadata.output_reasoning_tokens as usage_reasoning_tokens,
    usage_metadata.input_cached_tokens as usage_cached_tokens,
    timings.total as total_ms, timings.latency as latency_ms,
    location.region, location.colo
from read_json(
    getvariable('log_file')::varchar,
    format = 'newline_delimited',
    columns = {
        id: 'VARCHAR', created_at: 'TIMESTAMPTZ', provider: 'VARCHAR', model: 'VARCHAR',
        model_type: 'VARCHAR', path: 'VARCHAR', duration: 'BIGINT', request_type: 'VARCHAR',
        request_content_type: 'VARCHAR', response_content_type: 'VARCHAR', status_code: 'BIGINT',
        success: 'BOOLEAN', cached: 'BOOLEAN', tokens_in: 'BIGINT', tokens_out: 'BIGINT',
        step: 'BIGINT', event_id: 'VARCHAR', user_agent: 'VARCHAR', feedback: 'BIGINT',
        score: 'DOUBLE', custom_cost: 'BOOLEAN', authentication: 'BOOLEAN', wholesale: 'BOOLEAN',
        metadata: 'STRUCT(tenant VARCHAR, workflow VARCHAR, conversation VARCHAR, prompt VARCHAR, trace VARCHAR)',
        cost: 'DECIMAL(18, 12)',
        usage_metadata: 'STRUCT(input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT, output_reasoning_tokens BIGINT, input_cached_tokens BIGINT)',
        timings: 'STRUCT(total DOUBLE, latency DOUBLE)', "location": 'STRUCT(region VARCHAR, colo VARCHAR)',
        request: 'VARCHAR', response: 'VARCHAR'
    }
)
