-- AI Gateway log rows, as the Logs API lists them, from nothing but their numbers.
copy (
    with numbered as (
        select
            i,
            hash(i) as h,
            hash(i + 1000000007) as h2,
            hash(i // 3) as hc,
            $start::timestamp + to_microseconds(i * $step_us::bigint) as moment
        from range($row_count::bigint) as t (i)
    ),
    shaped as (
        select
            *,
            h % 100 < 3 as is_failed,
            (h >> 8) % 40 as tenant_number,
            (h >> 16) % 12 as workflow_number,
            100 + (h >> 24) % 4000 as tokens_in,
            20 + (h >> 40) % 900 as tokens_out,
            400 + (h2 >> 8) % 9000 as duration,
            [
                '@cf/moonshotai/kimi-k2.6', '@cf/zai-org/glm-5.3', '@cf/zai-org/glm-5.3-flash',
                '@cf/deepseek-ai/deepseek-v4-flash-0731', '@cf/qwen/qwen3.8-27b',
                '@cf/meta/llama-3.1-8b-instruct'
            ][1 + ((h2 >> 24) % 6)::integer] as model
        from numbered
    )
    select
        format('0199{:04x}-{:04x}-7{:03x}-8{:03x}-{:012x}',
            (i >> 16) % 65536, i % 65536, h % 4096, h2 % 4096, (h2 >> 12) % 281474976710656) as id,
        strftime(moment, '%Y-%m-%dT%H:%M:%S.%gZ') as created_at,
        'workers-ai' as provider,
        model,
        'text-generation' as model_type,
        '/v1/chat/completions' as path,
        duration,
        'chat' as request_type,
        'application/json' as request_content_type,
        'application/json' as response_content_type,
        case when is_failed then [429, 500, 400][1 + (h2 % 3)::integer] else 200 end as status_code,
        not is_failed as success,
        false as cached,
        case when is_failed then 0 else tokens_in end as tokens_in,
        case when is_failed then 0 else tokens_out end as tokens_out,
        0 as step,
        format('0199e{:03x}-{:04x}-7{:03x}-9{:03x}-{:012x}',
            (i >> 16) % 4096, i % 65536, h % 4096, h2 % 4096, (h2 >> 12) % 281474976710656) as event_id,
        'wai/0.1' as user_agent,
        null as feedback,
        null as score,
        false as custom_cost,
        true as authentication,
        false as wholesale,
        struct_pack(
            tenant := 'tenant-' || tenant_number,
            workflow := 'workflow-' || workflow_number,
            conversation := format('{:08x}.{}.1', hc % 4294967296, i % 3),
            prompt := 'prompt-' || (h2 >> 32) % 30 || '@' || (1 + (h2 >> 40) % 3),
            trace := format('0199{:04x}-{:04x}-7{:03x}-a{:03x}-{:012x}',
                (i >> 16) % 65536, i % 65536, h % 4096, h2 % 4096, (h2 >> 12) % 281474976710656)
        ) as metadata,
        case when is_failed then 0 else round(tokens_in * 0.0000001 + tokens_out * 0.0000003, 9) end as cost,
        case when not is_failed then struct_pack(
            input_tokens := tokens_in,
            output_tokens := tokens_out,
            total_tokens := tokens_in + tokens_out,
            output_reasoning_tokens := 0,
            input_cached_tokens := case when h2 % 2 = 0 then tokens_in * (h2 % 90) // 100 else 0 end
        ) end as usage_metadata,
        struct_pack(total := duration, latency := duration // 5) as timings,
        struct_pack(region := 'weur', colo := 'AMS') as "location",
        '' as request,
        '' as response
    from shaped
) to $file (format json)
