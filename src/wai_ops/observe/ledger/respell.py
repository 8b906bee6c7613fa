"""The second look at a payload: what means the same, written the way the recorder writes it."""

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.records import FIELD_NAMES, from_json, to_json

ATTEMPT = "attempt"
UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError)
"""What a payload that cannot be read may raise here."""


def respell_attempt(payload: str) -> str:
    """Write an attempt's JSON the way the recorder does. Raises what `from_json` raises."""
    values = _object(payload)
    known = {name: values[name] for name in FIELD_NAMES if name in values}
    return _dump(to_json(from_json(known)))


def respell_session(payload: str) -> str:
    """Write a session event's JSON the way live state does. Raises KeyError or ValueError."""
    return _respell(payload, times=["at"])


def respell_outcome(payload: str) -> str:
    """Write an outcome's JSON the way it is recorded. Raises one of UNREADABLE."""
    return _respell(payload, times=["at"], decimals=["value_usd"])


def respell_tool_call(payload: str) -> str:
    """Write a tool call's JSON the way it is recorded. Raises one of UNREADABLE."""
    return _respell(payload, times=["started_at"])


def respell_decision(payload: str) -> str:
    """Write a decision's JSON the way it is recorded. Raises one of UNREADABLE."""
    return _respell(payload, times=["occurred_at"])


RESPELL: dict[str, Callable[[str], str]] = {
    ATTEMPT: respell_attempt,
    "session": respell_session,
    "outcome": respell_outcome,
    "tool_call": respell_tool_call,
    "decision": respell_decision,
}


def _respell(payload: str, *, times: Iterable[str], decimals: Iterable[str] = ()) -> str:
    values = _object(payload)
    for name in times:
        values[name] = to_utc_text(parse_utc(values[name]))
    for name in decimals:
        if values.get(name) is not None:
            values[name] = format(Decimal(str(values[name])), "f")
    return _dump(values)


def _object(payload: str) -> dict[str, Any]:
    values = json.loads(payload)
    if not isinstance(values, dict):
        raise TypeError("the payload is not a JSON object")
    return values


def _dump(values: Mapping[str, Any]) -> str:
    # A lone surrogate is legal in JSON's escapes and nowhere else; U+FFFD stands for it.
    text = json.dumps(values, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
