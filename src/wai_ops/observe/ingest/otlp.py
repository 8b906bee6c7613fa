"""OTLP/JSON traces: spans of model calls as gateway rows, spans of tools as tool calls.

Instrumentation differs in the names it uses; `core.semconv` lists them. Spans that wrap other calls
(agents, workflows) repeat their usage and are left out, like every span that is no model call.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from wai_ops.core import semconv
from wai_ops.core.clock import to_utc_text
from wai_ops.core.metadata import KEYS
from wai_ops.observe.ingest.import_spool import Spool
from wai_ops.observe.ingest.jsonl import translate_each

CONTENT_LEFT = "prompts and answers in spans were not kept"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR = (2, "STATUS_CODE_ERROR")
_FAMILY_END = re.compile(r"[./:]|__")
_CONTENT = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt_json",
    "gen_ai.completion_json",
)
_TEXTS = {
    "provider": semconv.PROVIDER_NAME,
    "event_id": (semconv.EVENT_ID,),
    "path": (semconv.URL_PATH,),
    "gateway": (semconv.GATEWAY_ID,),
    "user_agent": (semconv.USER_AGENT,),
}

Attributes = dict[str, Any]


def translate_otlp(path: Path, spool: Spool) -> None:
    """Read a trace document a line, or one document. A bad span does not spoil its neighbours."""

    def add(number: int, value: Any, line: bytes) -> None:
        for place, span, resource in _spans(value):
            try:
                _add_span(spool, number, span, resource)
            except (ValueError, OverflowError) as error:
                spool.reject(number, f"{place}: {error}", line)

    translate_each(path, spool, add)


def tool_family(name: str) -> str:
    """The part of a tool's name before the first `.`, `/`, `:` or `__`."""
    return _FAMILY_END.split(name, maxsplit=1)[0] or name


def _add_span(spool: Spool, number: int, span: Any, resource: Attributes) -> None:
    if not isinstance(span, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for whatever is wrong
    own = _attributes(span.get("attributes"))
    operation = own.get(semconv.OPERATION_NAME)
    if operation == semconv.EXECUTE_TOOL:
        spool.tool_call(_tool_call(span, own, resource))
    elif operation not in semconv.NOT_A_MODEL_CALL and _is_model_call(span, own):
        spool.row(number, _model_call(span, own, resource))
        if any(name in own for name in _CONTENT):
            spool.notes.add(CONTENT_LEFT)
    else:
        spool.ignored_count += 1


def _is_model_call(span: Mapping[str, Any], own: Attributes) -> bool:
    return (
        span.get("name") == semconv.GATEWAY_SPAN
        or semconv.REQUEST_MODEL in own
        or semconv.RESPONSE_MODEL in own
    )


def _model_call(span: Mapping[str, Any], own: Attributes, resource: Attributes) -> dict[str, Any]:
    started, ended = _time(span, "startTimeUnixNano"), _time(span, "endTimeUnixNano")
    if ended < started:
        raise ValueError("it ends before it starts")
    duration = (ended - started) / timedelta(milliseconds=1)
    error = _text(own, semconv.ERROR_TYPE)
    status = _first(own, semconv.HTTP_STATUS)
    if status is None and error is not None and re.fullmatch(r"[1-5]\d\d", error):
        status = error
    code = _whole(status, "the HTTP status")
    is_error = (span.get("status") or {}).get("code") in _ERROR or error is not None
    row = {
        "id": _text(own, semconv.LOG_ID) or f"otlp:{_id(span, 'traceId')}:{_id(span, 'spanId')}",
        "created_at": to_utc_text(ended),
        "model": _text(own, semconv.RESPONSE_MODEL) or _text(own, semconv.REQUEST_MODEL),
        "duration": round(duration),
        "request_type": _text(own, semconv.OPERATION_NAME),
        "status_code": code,
        "success": not is_error and (code is None or code < 400),
        "cached": own.get(semconv.GATEWAY_CACHE_HIT) is True,
        "tokens_in": _whole(own.get(semconv.GATEWAY_INPUT_TOKENS), "input tokens"),
        "tokens_out": _whole(own.get(semconv.GATEWAY_OUTPUT_TOKENS), "output tokens"),
        "cost": _money(_cost(own)),
        "custom_cost": own.get(semconv.CUSTOM_COST) is True or None,
        "step": _whole(own.get(semconv.STEP), "the step"),
        "error_code": _whole(own.get(semconv.ERROR_CODE), "the error code"),
        "error_type": error,
        "error_message": _text(span.get("status") or {}, "message"),
        "finish_reason": _finish_reason(own),
        "usage_metadata": _usage(own),
        "metadata": _labels(own, resource, _id(span, "traceId")),
    }
    row |= {name: _text({"": _first(own, names)}, "") for name, names in _TEXTS.items()}
    seconds = _first(own, semconv.TIME_TO_FIRST_CHUNK)
    if isinstance(seconds, int | float) and seconds >= 0:
        row["timings"] = {"total": duration, "latency": seconds * 1000}
    return {key: value for key, value in row.items() if value is not None}


def _tool_call(span: Mapping[str, Any], own: Attributes, resource: Attributes) -> dict[str, Any]:
    started, ended = _time(span, "startTimeUnixNano"), _time(span, "endTimeUnixNano")
    name = _text(own, semconv.TOOL_NAME)
    if not name:
        raise ValueError("a tool call without a tool's name")
    labels = _labels(own, resource, _id(span, "traceId")) or {}
    conversation, turn = _lineage(labels)
    arguments = own.get(semconv.TOOL_CALL_ARGUMENTS)
    is_error = (span.get("status") or {}).get("code") in _ERROR
    return {
        "tool_call_id": _text(own, semconv.TOOL_CALL_ID)
        or f"otlp:{_id(span, 'traceId')}:{_id(span, 'spanId')}",
        "request_id": labels.get("trace"),
        "log_id": _text(own, semconv.LOG_ID),
        "tenant": labels.get("tenant"),
        "workflow": labels.get("workflow"),
        "conversation_id": conversation,
        "turn_index": turn,
        "model": _text(own, semconv.REQUEST_MODEL),
        "tool_name": name,
        "tool_family": tool_family(name),
        "arguments_sha256": None
        if arguments is None
        else hashlib.sha256(str(arguments).encode("utf-8", "replace")).hexdigest(),
        "started_at": to_utc_text(started),
        "duration_ms": (ended - started) / timedelta(milliseconds=1),
        "error_type": _text(own, semconv.ERROR_TYPE) or ("tool_error" if is_error else None),
        "source": "otlp",
    }


def _labels(own: Attributes, resource: Attributes, trace_id: str) -> dict[str, Any] | None:
    """The five keys as AI Gateway writes them; else what the conventions say of the same."""
    labels = {key: own[key] for key in KEYS if isinstance(own.get(key), str | int | float | bool)}
    workflow = _text(own, semconv.WORKFLOW_NAME) or _text(resource, semconv.SERVICE_NAME)
    if not labels and semconv.CONVERSATION_ID in own:
        turn = _whole(own.get(semconv.TURN_INDEX), "the turn") or 0
        attempt = _whole(own.get(semconv.ATTEMPT), "the attempt") or 1
        labels = {
            "workflow": workflow or "",
            "conversation": f"{own[semconv.CONVERSATION_ID]}.{turn}.{attempt}",
            "trace": trace_id,
        }
    return {key: str(value) for key, value in labels.items()} or None


def _lineage(labels: Mapping[str, str]) -> tuple[str | None, int | None]:
    match = re.fullmatch(r"(?s)(.+)\.(\d{1,9})\.\d{1,9}", labels.get("conversation", ""))
    return (match[1], int(match[2])) if match else (labels.get("conversation"), None)


def _usage(own: Attributes) -> dict[str, int] | None:
    read = _whole(_first(own, semconv.INPUT_TOKENS), "input tokens")
    written = _whole(_first(own, semconv.OUTPUT_TOKENS), "output tokens")
    if read is None or written is None:
        return None
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    cached = _whole(_first(own, semconv.CACHED_INPUT_TOKENS), "cached input tokens")
    reasoning = _whole(_first(own, semconv.REASONING_TOKENS), "reasoning tokens")
    if cached is not None:
        usage["input_cached_tokens"] = cached
    if reasoning is not None:
        usage["output_reasoning_tokens"] = reasoning
    return usage


def _finish_reason(own: Attributes) -> str | None:
    reasons = own.get(semconv.FINISH_REASONS)
    first = reasons[0] if isinstance(reasons, list) and reasons else reasons
    return first if isinstance(first, str) else None


def _spans(document: Any) -> Iterator[tuple[str, Any, Attributes]]:
    """Yield (its place in words, span, attributes of its resource). Raises ValueError."""
    if not isinstance(document, dict) or "resourceSpans" not in document:
        raise ValueError("no OTLP trace document: resourceSpans is missing")
    count = 0
    for group in _objects(document["resourceSpans"], "resourceSpans"):
        resource = _attributes((group.get("resource") or {}).get("attributes"))
        scopes = group.get("scopeSpans") or group.get("instrumentationLibrarySpans") or []
        for scope in _objects(scopes, "scopeSpans"):
            spans = scope.get("spans") or []
            if not isinstance(spans, list):
                raise ValueError("spans is no list")  # noqa: TRY004 - one error for all
            for span in spans:
                count += 1
                yield f"span {count}", span, resource


def _objects(value: Any, name: str) -> Sequence[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{name} is no list of objects")
    return value


def _attributes(pairs: Any) -> Attributes:
    """The attributes by name; of one that comes twice the last counts."""
    found: Attributes = {}
    for pair in _objects(pairs or [], "attributes"):
        key = pair.get("key")
        if isinstance(key, str):
            found[key] = _value(pair.get("value"))
    return found


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for kind in ("stringValue", "boolValue", "doubleValue"):
        if kind in value:
            return value[kind]
    if "intValue" in value:  # 64 bits: text in the standard's JSON, a number in some writers'
        return _whole(value["intValue"], "an integer")
    if "arrayValue" in value:
        items = (value["arrayValue"] or {}).get("values") or []
        return [_value(item) for item in items] if isinstance(items, list) else None
    return None


def _first(own: Attributes, names: Sequence[str]) -> Any:
    return next((own[name] for name in names if own.get(name) is not None), None)


def _text(own: Mapping[str, Any], name: str) -> str | None:
    value = own.get(name)
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def _whole(value: Any, what: str) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**18:
        raise ValueError(f"{what} is not a whole number")
    return value


def _cost(own: Attributes) -> Any:
    """What the gateway says it costs; in spans that `wai` wrote, `COST` is our own price."""
    return own.get(semconv.GATEWAY_COST if semconv.COST_STATE in own else semconv.COST)


def _money(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or abs(amount) >= 10**6:
        raise ValueError("the cost is not an amount")
    return amount.quantize(Decimal("0.000000000001"))


def _time(span: Mapping[str, Any], name: str) -> datetime:
    nanoseconds = _nanoseconds(span.get(name))
    if nanoseconds is None or nanoseconds <= 0:
        raise ValueError(f"{name} is missing")
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _nanoseconds(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,20}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _id(span: Mapping[str, Any], name: str) -> str:
    value = span.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z+/=_-]{1,64}", value):
        raise ValueError(f"{name} is missing or no id")
    return value.lower() if re.fullmatch(r"[0-9a-fA-F]+", value) else value
