"""From named columns (our own exports, CSV of the dashboard's kind) to a gateway log row. Pure.

The columns are those of `model_call`, or other names for them. What a gateway does not log is not
taken over: our price of a call is worked out anew, by the prices of the ledger that imports it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.metadata import Metadata, encode

GatewayRow = dict[str, Any]

ALIASES: Mapping[str, str] = {
    "id": "log_id",
    "timestamp": "created_at",
    "time": "created_at",
    "date": "created_at",
    "datetime": "created_at",
    "created": "created_at",
    "status": "http_status",
    "status_code": "http_status",
    "duration": "duration_ms",
    "latency": "gateway_latency_ms",
    "tokens_in": "gateway_input_tokens",
    "tokens_out": "gateway_output_tokens",
    "cost": "gateway_cost_usd",
    "custom_cost": "gateway_custom_cost",
    "cached": "gateway_cache_hit",
    "path": "endpoint",
    "gateway": "gateway_id",
    "served_model": "model",
    "event": "event_id",
}
"""Other names -> ours. Spaces and letter case do not matter: `Tokens In` is `tokens_in`."""
COLUMNS = frozenset(
    {
        *ALIASES.values(),
        "attempt_id",
        "run_id",
        "step",
        "started_at",
        "finished_at",
        "tenant",
        "workflow",
        "conversation_id",
        "turn_index",
        "attempt",
        "prompt_name",
        "prompt_version",
        "provider",
        "requested_model",
        "success",
        "error_type",
        "error_code",
        "error_message",
        "finish_reason",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_tokens",
        "usage_input_tokens",
        "ttft_ms",
        "gateway_duration_ms",
        "request_type",
        "model_type",
        "wholesale",
        "byok",
        "dlp_action",
        "user_agent",
        "feedback",
        "score",
        "metadata",
        "cost_usd",
        "cost_state",
    }
)
_MOST = Decimal(10) ** 15
_LONGEST_SHOWN = 40
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
_PLAIN = (
    "provider",
    "request_type",
    "model_type",
    "event_id",
    "byok",
    "dlp_action",
    "user_agent",
    "error_message",
    "error_type",
    "finish_reason",
)


def column_of(name: str) -> str:
    """Our spelling of a column's name."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    return ALIASES.get(plain, plain)


def known_columns(header: Sequence[str]) -> set[str]:
    """Those of a header that mean something to us."""
    return {column_of(name) for name in header} & COLUMNS


def gateway_row(values: Mapping[str, Any], *, fallback_id: str) -> GatewayRow:
    """Build the row; empty text is no value. Raises ValueError that names the column."""
    given = {key: value for key, value in values.items() if value not in (None, "")}
    duration = _number(given, "gateway_duration_ms", "duration_ms")
    created = _created_at(given, duration)
    status = _whole(given, "http_status")
    row: GatewayRow = {
        "id": _identity(given, fallback_id),
        "created_at": created,
        "gateway": given.get("gateway_id"),
        "model": given.get("model") or given.get("requested_model"),
        "path": given.get("endpoint"),
        "duration": None if duration is None else round(duration),
        "status_code": status,
        "success": _success(given, status),
        "cached": _flag(given, "gateway_cache_hit"),
        "tokens_in": _whole(given, "gateway_input_tokens"),
        "tokens_out": _whole(given, "gateway_output_tokens"),
        "cost": _gateway_cost(given),
        "custom_cost": _flag(given, "gateway_custom_cost"),
        "step": _whole(given, "step"),
        "metadata": _metadata(given),
        "usage_metadata": _usage(given),
        "wholesale": _flag(given, "wholesale"),
        "feedback": _whole(given, "feedback"),
        "score": _number(given, "score"),
        "error_code": _whole(given, "error_code"),
    }
    latency = _number(given, "ttft_ms", "gateway_latency_ms")
    if latency is not None:
        row["timings"] = {"total": duration, "latency": latency}
    row |= {name: _text(given, name) for name in _PLAIN if name in given}
    return {key: value for key, value in row.items() if value is not None}


def _identity(given: Mapping[str, Any], fallback_id: str) -> str:
    if "log_id" in given:
        return str(given["log_id"])
    return f"attempt:{given['attempt_id']}" if "attempt_id" in given else fallback_id


def _created_at(given: Mapping[str, Any], duration: float | None) -> str:
    for name in ("created_at", "finished_at"):
        if name in given:
            return to_utc_text(_time(given, name))
    if "started_at" not in given:
        raise ValueError("created_at is missing")
    try:
        return to_utc_text(_time(given, "started_at") + timedelta(milliseconds=duration or 0))
    except OverflowError:
        raise ValueError("duration_ms is no length of time") from None


def _success(given: Mapping[str, Any], status: int | None) -> bool | None:
    if "success" in given:
        return _flag(given, "success")
    if "error_type" in given:
        return False
    if "cost_state" in given:  # an export of ours: no failure class means that it succeeded
        return True
    return None if status is None else status < 400


def _gateway_cost(given: Mapping[str, Any]) -> Decimal | None:
    if "gateway_cost_usd" in given:
        return _decimal(given, "gateway_cost_usd")
    # `Cost (USD)` is the gateway's word, except in an export of ours, where it is our own price.
    return _decimal(given, "cost_usd") if "cost_state" not in given else None


def _usage(given: Mapping[str, Any]) -> dict[str, int] | None:
    read, written = _whole(given, "input_tokens"), _whole(given, "output_tokens")
    if read is None or written is None:
        return None
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    cached = _whole(given, "cached_input_tokens")
    reasoning = _whole(given, "reasoning_tokens")
    if cached is not None:
        usage["input_cached_tokens"] = cached
    if reasoning is not None:
        usage["output_reasoning_tokens"] = reasoning
    return usage


def _metadata(given: Mapping[str, Any]) -> Any:
    """The labels: as they are given, or put together again from their parts."""
    if "metadata" in given:
        entries = given["metadata"]
        if isinstance(entries, str):
            try:
                entries = json.loads(entries)
            except (ValueError, RecursionError):
                raise ValueError("metadata is no JSON") from None
        return entries
    turn, attempt = _whole(given, "turn_index"), _whole(given, "attempt")
    whole = Metadata(
        tenant=str(given.get("tenant", "")),
        workflow=str(given.get("workflow", "")),
        conversation_id=str(given.get("conversation_id", "")),
        turn_index=turn or 0,
        attempt=attempt or 1,
        prompt_name=str(given.get("prompt_name", "")),
        prompt_version=str(given.get("prompt_version", "")),
        trace=str(given.get("run_id", "")),
    )
    has = {
        "tenant": "tenant" in given,
        "workflow": "workflow" in given,
        "conversation": "conversation_id" in given and turn is not None and attempt is not None,
        "prompt": "prompt_name" in given and "prompt_version" in given,
        "trace": "run_id" in given,
    }
    return {key: value for key, value in encode(whole).items() if has[key]} or None


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str | int | float):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - one error for whatever is wrong
    return str(value)


def _time(given: Mapping[str, Any], name: str) -> Any:
    try:
        return parse_utc(str(given[name]).strip().removesuffix(" UTC"))
    except (ValueError, OverflowError):
        raise ValueError(f"{name}{_shown(given[name])} is not a time") from None


def _decimal(given: Mapping[str, Any], *names: str) -> Decimal | None:
    for name in names:
        if name in given:
            text = str(given[name]).strip().removeprefix("$")
            try:
                number = Decimal(text)
            except InvalidOperation:
                number = Decimal("NaN")
            if isinstance(given[name], bool) or not number.is_finite():
                raise ValueError(f"{name}{_shown(given[name])} is not a number")
            return number
    return None


def _number(given: Mapping[str, Any], *names: str) -> float | None:
    number = _decimal(given, *names)
    if number is not None and abs(number) > _MOST:
        raise ValueError(f"{names[0]} is out of range")
    return None if number is None else float(number)


def _whole(given: Mapping[str, Any], name: str) -> int | None:
    if type(given.get(name)) is int and abs(given[name]) < _MOST:
        return int(given[name])
    number = _decimal(given, name)
    if number is None:
        return None
    if abs(number) >= 10**18 or number != number.to_integral_value():
        raise ValueError(f"{name}{_shown(given[name])} is not a whole number")
    return int(number)


def _flag(given: Mapping[str, Any], name: str) -> bool | None:
    if name not in given:
        return None
    if type(given[name]) is bool:
        return bool(given[name])
    text = str(given[name]).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(f"{name}{_shown(given[name])} is neither true nor false")
    return text in _TRUE


def _shown(value: Any) -> str:
    """A value for a message: whole and as it stands, so that redaction knows what it is, or not."""
    text = str(value)
    return f" {text!r}" if len(text) <= _LONGEST_SHOWN and repr(text) == f"'{text}'" else ""
