-- Every column of the log rows, parsed with explicit types, metadata and usage taken apart, and
-- nothing stored: counting the values is all that is asked.
select
    count(id), count(created_at), count(provider), count(model), count(model_type), count(path),
    count(duration), count(request_type), count(request_content_type),
    count(response_content_type), count(status_code), count(success), count(cached),
    count(tokens_in), count(tokens_out), count(step), count(event_id), count(user_agent),
    count(feedback), count(score), count(custom_cost), count(authentication), count(wholesale),
    count(cost), count(metadata.tenant), count(metadata.workflow), count(metadata.conversation),
    count(metadata.prompt), count(metadata.trace), count(usage_metadata.input_tokens),
    count(usage_metadata.output_tokens), count(usage_metadata.total_tokens),
    count(usage_metadata.output_reasoning_tokens), count(usage_metadata.input_cached_tokens),
    count(timings.total), count(timings.latency), count(location.region), count(location.colo),
    count(request), count(response)
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
