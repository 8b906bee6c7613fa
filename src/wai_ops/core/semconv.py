"""OpenTelemetry's names for model calls: the only place that spells them.

The `gen_ai.*` conventions are still in development. A tuple lists the names that one fact has had,
the current one first: readers take the first that is there, writers write the first.
"""

OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = ("gen_ai.provider.name", "gen_ai.system", "gen_ai.model.provider")
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_STREAM = "gen_ai.request.stream"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.server.time_to_first_token",
)
"""Seconds."""
INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
"""Cached input included."""
OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
CACHED_INPUT_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_cached_tokens",
    "gen_ai.usage.cached_tokens",
)
REASONING_TOKENS = ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens")
COST = "gen_ai.usage.cost"
"""US dollars. No convention has it; AI Gateway writes it."""
CONVERSATION_ID = "gen_ai.conversation.id"
WORKFLOW_NAME = "gen_ai.workflow.name"
PROMPT_NAME = "gen_ai.prompt.name"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
ERROR_TYPE = "error.type"
HTTP_STATUS = ("http.response.status_code", "http.status_code")
URL_PATH = "url.path"
USER_AGENT = "user_agent.original"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"

CHAT = "chat"
EXECUTE_TOOL = "execute_tool"
NOT_A_MODEL_CALL = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "plan"})
"""Operations whose spans repeat the usage of the calls below them."""
GATEWAY_SPAN = "cf.aig.request"
"""The one span that AI Gateway itself exports for a request."""

# Ours: what no convention names. The five keys of the metadata contract are attributes by their
# own names, as AI Gateway writes them.
LOG_ID = "wai.log_id"
EVENT_ID = "wai.event_id"
ATTEMPT_ID = "wai.attempt_id"
TURN_INDEX = "wai.turn_index"
ATTEMPT = "wai.attempt"
STEP = "wai.step"
PROMPT_VERSION = "wai.prompt_version"
GATEWAY_ID = "wai.gateway_id"
GATEWAY_CACHE_HIT = "wai.gateway_cache_hit"
GATEWAY_INPUT_TOKENS = "wai.gateway_input_tokens"
GATEWAY_OUTPUT_TOKENS = "wai.gateway_output_tokens"
GATEWAY_COST = "wai.gateway_cost_usd"
CUSTOM_COST = "wai.gateway_custom_cost"
COST_STATE = "wai.cost_state"
COST_USD = "wai.cost_usd"
NEURONS = "wai.neurons"
DECISION_IDS = "wai.decision_ids"
ERROR_CODE = "wai.error_code"
"""Money is text in these, so that no reader rounds it."""
