"""Model calls and tool calls as OTLP/JSON spans: tokens, costs and labels, never content.

Each line is a whole trace document, as the collector's file exporter writes them. Ids are hex,
64-bit integers text, as the standard's JSON asks. Money is a double where tools look for it, and
exact text under a name of ours.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wai_ops._version import __version__
from wai_ops.core import semconv
from wai_ops.core.metadata import Metadata, encode
from wai_ops.observe.ledger.sliced import read_sliced

if TYPE_CHECKING:
    import duckdb

SPANS_A_LINE = 500
_CLIENT, _INTERNAL = 3, 1
_ERROR = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Row = Mapping[str, Any]
Span = dict[str, Any]


def write_otlp(
    connection: "duckdb.DuckDBPyConnection", made: Path, where: str, values: Mapping[str, Any]
) -> int:
    """Write a slice; return how many spans."""
    calls = (call_span(row) for row in read_sliced(connection, "export/spans", where, values))
    tools = (tool_span(row) for row in read_sliced(connection, "export/tool_spans", where, values))
    encoder = msgspec.json.Encoder()
    count = 0
    with made.open("wb") as file:
        for spans in _batches(chain(calls, tools)):
            file.write(encoder.encode(document(spans)) + b"\n")
            count += len(spans)
        if not count:
            file.write(encoder.encode(document([])) + b"\n")
    return count


def document(spans: list[Span]) -> dict[str, Any]:
    """Spans as one trace document."""
    resource = {
        semconv.SERVICE_NAME: "wai-ops",
        semconv.SERVICE_VERSION: __version__,
    }
    scope = {"name": "wai_ops", "version": __version__}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": spans}],
            }
        ]
    }


def call_span(row: Row) -> Span:
    """One row of `model_call`, with `decision_ids`."""
    model = row["model"] or row["requested_model"]
    ended = _end(row["started_at"], row["duration_ms"])
    if row["duration_ms"] is None and row["created_at"] is not None:
        ended = max(row["created_at"], row["started_at"])
    ttft = row["ttft_ms"]
    attributes = {
        semconv.OPERATION_NAME: semconv.CHAT,
        semconv.PROVIDER_NAME[0]: row["provider"] or "workers-ai",
        semconv.REQUEST_MODEL: row["requested_model"] or model,
        semconv.RESPONSE_MODEL: model,
        semconv.REQUEST_STREAM: row["streamed"],
        semconv.MAX_TOKENS: row["max_output_tokens"],
        semconv.FINISH_REASONS: [row["finish_reason"]] if row["finish_reason"] else None,
        semconv.TIME_TO_FIRST_CHUNK[0]: None if ttft is None else ttft / 1000,
        semconv.INPUT_TOKENS[0]: row["input_tokens"],
        semconv.CACHED_INPUT_TOKENS[0]: row["cached_input_tokens"],
        semconv.OUTPUT_TOKENS[0]: row["output_tokens"],
        semconv.REASONING_TOKENS[0]: row["reasoning_tokens"],
        semconv.COST: None if row["cost_usd"] is None else float(row["cost_usd"]),
        semconv.CONVERSATION_ID: row["conversation_id"],
        semconv.WORKFLOW_NAME: row["workflow"],
        semconv.PROMPT_NAME: row["prompt_name"],
        semconv.ERROR_TYPE: row["error_type"],
        semconv.HTTP_STATUS[0]: row["http_status"],
        semconv.URL_PATH: row["endpoint"],
        semconv.USER_AGENT: row["user_agent"],
        semconv.LOG_ID: row["log_id"],
        semconv.EVENT_ID: row["event_id"],
        semconv.ATTEMPT_ID: row["attempt_id"],
        semconv.TURN_INDEX: row["turn_index"],
        semconv.ATTEMPT: row["attempt"],
        semconv.STEP: row["step"],
        semconv.PROMPT_VERSION: row["prompt_version"],
        semconv.GATEWAY_ID: row["gateway_id"],
        semconv.GATEWAY_CACHE_HIT: row["gateway_cache_hit"],
        semconv.GATEWAY_INPUT_TOKENS: row["gateway_input_tokens"],
        semconv.GATEWAY_OUTPUT_TOKENS: row["gateway_output_tokens"],
        semconv.GATEWAY_COST: _exact(row["gateway_cost_usd"]),
        semconv.CUSTOM_COST: row["gateway_custom_cost"],
        semconv.COST_STATE: row["cost_state"],
        semconv.COST_USD: _exact(row["cost_usd"]),
        semconv.NEURONS: _exact(row["neurons"]),
        semconv.ERROR_CODE: row["error_code"],
        semconv.DECISION_IDS: row["decision_ids"],
        **_labels(row),
    }
    identity = f"{row['log_id']}/{row['attempt_id']}/{row['request_id']}/{row['step']}"
    return {
        "traceId": trace_id(row["request_id"]),
        "spanId": span_id(identity),
        "name": f"{semconv.CHAT} {model}" if model else semconv.CHAT,
        "kind": _CLIENT,
        "startTimeUnixNano": _nanoseconds(row["started_at"]),
        "endTimeUnixNano": _nanoseconds(ended),
        "attributes": _attributes(attributes),
        "status": {"code": _ERROR} if row["error_type"] else {},
    }


def tool_span(row: Row) -> Span:
    """One row of `tool_call`."""
    request = row["request_id"] or row["log_id"] or row["conversation_id"] or row["tool_call_id"]
    conversation = row["conversation_id"]
    attributes = {
        semconv.OPERATION_NAME: semconv.EXECUTE_TOOL,
        semconv.TOOL_NAME: row["tool_name"],
        semconv.TOOL_CALL_ID: row["tool_call_id"],
        semconv.REQUEST_MODEL: row["model"],
        semconv.CONVERSATION_ID: conversation,
        semconv.WORKFLOW_NAME: row["workflow"],
        semconv.ERROR_TYPE: row["error_type"],
        semconv.LOG_ID: row["log_id"],
        semconv.DECISION_IDS: [row["decision_id"]] if row["decision_id"] else None,
        "tenant": row["tenant"],
        "workflow": row["workflow"],
        "conversation": None
        if conversation is None
        else f"{conversation}.{row['turn_index'] or 0}.1",
        "trace": row["request_id"],
    }
    return {
        "traceId": trace_id(str(request)),
        "spanId": span_id(f"tool/{row['tool_call_id']}/{row['tool_name']}/{row['started_at']}"),
        "name": f"{semconv.EXECUTE_TOOL} {row['tool_name']}",
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanoseconds(row["started_at"]),
        "endTimeUnixNano": _nanoseconds(_end(row["started_at"], row["duration_ms"])),
        "attributes": _attributes(attributes),
        "status": {"code": _ERROR} if row["error_type"] else {},
    }


def trace_id(request_id: str) -> str:
    """32 hex digits: the run id itself where it is a UUID, else a hash of it."""
    if _UUID.fullmatch(request_id):
        return request_id.replace("-", "")
    return hashlib.sha256(request_id.encode("utf-8", "replace")).hexdigest()[:32]


def span_id(identity: str) -> str:
    """16 hex digits, the same for the same call."""
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:16]


def _labels(row: Row) -> dict[str, str]:
    """The five keys as AI Gateway writes them into its own spans, those that the call carries."""
    whole = encode(
        Metadata(
            tenant=row["tenant"] or "",
            workflow=row["workflow"] or "",
            conversation_id=row["conversation_id"] or "",
            turn_index=row["turn_index"] or 0,
            attempt=row["attempt"] or 1,
            prompt_name=row["prompt_name"] or "",
            prompt_version=row["prompt_version"] or "",
            trace=row["run_id"] or "",
        )
    )
    has = {
        "tenant": row["tenant"] is not None,
        "workflow": row["workflow"] is not None,
        "conversation": row["conversation_id"] is not None and row["turn_index"] is not None,
        "prompt": row["prompt_name"] is not None,
        "trace": row["run_id"] is not None,
    }
    return {key: value for key, value in whole.items() if has[key]}


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": _value(value)} for key, value in values.items() if value is not None
    ]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)}


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _end(started: datetime, duration_ms: float | None) -> datetime:
    return started + timedelta(milliseconds=max(duration_ms or 0, 0))


def _nanoseconds(at: datetime) -> str:
    return str((at - _EPOCH) // timedelta(microseconds=1) * 1000)


def _batches(spans: Iterable[Span]) -> Iterator[list[Span]]:
    iterator = iter(spans)
    while batch := list(islice(iterator, SPANS_A_LINE)):
        yield batch
