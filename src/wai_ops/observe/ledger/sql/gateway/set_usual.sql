-- What most lines of the batch have in common, in texts known to hold no secret. Where nothing is usual
-- all of it is null, which is true of the lines that have none of it.
set variable usual = {
    'provider': $provider::varchar,
    'path': $path::varchar,
    'request_type': $request_type::varchar,
    'model_type': $model_type::varchar,
    'finish_reason': $finish_reason::varchar,
    'byok': $byok::varchar,
    'dlp_action': $dlp_action::varchar,
    'user_agent': $user_agent::varchar,
    'gateway': $gateway::varchar,
    'status_code': $status_code::smallint,
    'step': $step::integer,
    'custom_cost': $custom_cost::boolean,
    'wholesale': $wholesale::boolean,
    'cached': $cached::boolean
}
