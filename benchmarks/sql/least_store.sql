-- As store_only.sql, and a look for secrets in the words of each row.
create table log_row as
select
    regexp_matches(
        concat_ws(
            ' ', id, provider, model, model_type, path, request_type, event_id, user_agent,
            metadata.tenant, metadata.workflow, metadata.conversation, metadata.prompt,
            metadata.trace
        ),
        $secrets
    ) as is_suspect,
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
    $file,
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
