"""The `filters` of the log list and of its deletion, as SQL conditions. Pure.

Every piece of SQL is a constant of this module; what a client sends is only ever an argument.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wai_ops.core.clock import parse_utc
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.store import is_storable
from wai_ops.emulator.times import to_millis_text

Condition = tuple[str, tuple[Any, ...]]
"""SQL with one `?` for each of its arguments."""
Pairs = Sequence[tuple[str, str]]
"""Query parameters in the order in which they came."""

COLUMNS: Mapping[str, str] = {
    "id": "id",
    "created_at": "created_at",
    "request_content_type": "request_content_type",
    "response_content_type": "response_content_type",
    "request_type": "request_type",
    "success": "success",
    "cached": "cached",
    "provider": "provider",
    "model": "model",
    "model_type": "model_type",
    "cost": "cost_usd",
    "tokens": "tokens",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "duration": "duration",
    "feedback": "feedback",
    "event_id": "event_id",
    "authentication": "authentication",
    "wholesale": "wholesale",
    "compatibilityMode": "compatibility_mode",
    "dlp_action": "dlp_action",
    "user_agent": "user_agent",
}
"""Filter key -> column of `seen_logs.sql`."""
_METADATA: Mapping[str, str] = {
    "metadata.key": "key",
    # JSON's true and false have the atoms 1 and 0; they are told as true and false.
    "metadata.value": (
        "case type when 'true' then 'true' when 'false' then 'false' else cast(atom as text) end"
    ),
}
"""Matched apart: one entry's key and another one's value satisfy two filters."""
_COMPARISONS: Mapping[str, str] = {
    "eq": "{} is ?",
    "neq": "{} is not ?",
    "contains": "instr(lower({}), lower(?)) > 0",
    "lt": "{} < ?",
    "gt": "{} > ?",
}
_FLAGS = ("success", "cached", "authentication", "wholesale", "compatibilityMode")
_NUMBERS = ("cost", "tokens", "tokens_in", "tokens_out", "duration", "feedback")


def parse_filters(pairs: Pairs) -> Iterator[Condition]:
    """The filters among query parameters. Raises 400/7001.

    `filters` is a JSON array. The official Python client takes its list apart instead, into
    `filters.key`, `filters.operator` and `filters.value`; that is understood as long as it can be.
    """
    texts = [value for name, value in pairs if name == "filters"]
    if len(texts) > 1:
        raise invalid_query("filters must be sent once, as a JSON array")
    items = _decoded(texts[0]) if texts else []
    for item in [*items, *_taken_apart(pairs)]:
        match item:
            case {"key": str(key), "operator": str(operator), "value": list(values)}:
                yield _filter(key, operator, values)
            case _:
                raise invalid_query("each filter is an object with key, operator and value[]")


def _decoded(text: str) -> list[Any]:
    try:
        filters = decode_json(text)
    except ValueError:
        filters = None
    if not isinstance(filters, list):
        raise invalid_query("filters must be a JSON array")
    return filters


def _taken_apart(pairs: Pairs) -> list[dict[str, Any]]:
    """Put the parts together again: all values are the one filter's, or one belongs to each."""
    keys, operators, values = (
        [value for name, value in pairs if name in {f"filters.{part}", f"filters[{part}]"}]
        for part in ("key", "operator", "value")
    )
    if len(keys) != len(operators) or (len(keys) != 1 and len(keys) != len(values)):
        raise invalid_query("filters.key, .operator and .value do not tell what belongs together")
    if len(keys) == 1:
        return [{"key": keys[0], "operator": operators[0], "value": values}]
    triples = zip(keys, operators, values, strict=True)
    return [{"key": key, "operator": how, "value": [value]} for key, how, value in triples]


def _filter(key: str, operator: str, values: list[Any]) -> Condition:
    comparison = _COMPARISONS.get(operator)
    if comparison is None:
        raise invalid_query(f"filter operator {operator!r} is not known")
    if key not in COLUMNS and key not in _METADATA:
        raise invalid_query(f"filter key {key!r} is not known")
    if not values or any(isinstance(value, dict | list) for value in values):
        raise invalid_query(f"filter {key!r} needs a list of plain values")
    found = tuple(
        _plain_text(value) if operator == "contains" else to_argument(key, value)
        for value in values
    )
    if key in COLUMNS:
        glue = " and " if operator == "neq" else " or "
        return glue.join([comparison.format(COLUMNS[key])] * len(found)), found
    # An entry that differs says nothing: "neq" means that no entry is equal.
    inner = _COMPARISONS["eq"] if operator == "neq" else comparison
    text = " or ".join([inner.format(_METADATA[key])] * len(found))
    exists = f"exists (select 1 from json_each(metadata) where {text})"  # noqa: S608 - constants
    return (f"not {exists}" if operator == "neq" else exists), found


def to_argument(key: str, value: Any) -> Any:
    """A value in the terms of its column: flags as numbers, times in the one spelling."""
    if value is None:
        return None
    if key == "created_at":
        return to_time(_plain_text(value), key)
    if key in _FLAGS:
        return _flag(value, key)
    if key in _NUMBERS:
        return to_number(value, key)
    return _plain_text(value)


def _plain_text(value: Any) -> str:
    """A JSON value as it reads in JSON: true, 1.5, text. Raises 400/7001."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if is_storable(text):
        return text
    raise invalid_query("filter values must be Unicode text")


def _flag(value: Any, name: str) -> int:
    known = {"true": 1, "1": 1, "false": 0, "0": 0}.get(str(value).lower())
    if known is None:
        raise invalid_query(f"{name} must be true or false")
    return known


def to_number(value: Any, name: str) -> float:
    """A finite number. Raises 400/7001."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if number != number or abs(number) == float("inf"):  # noqa: PLR0124 - NaN is not itself
        raise invalid_query(f"{name} must be a number")
    return number


def to_time(text: str, name: str) -> str:
    """A time in the store's spelling. Raises 400/7001."""
    try:
        return to_millis_text(parse_utc(text))
    except (ValueError, OverflowError):
        raise invalid_query(f"{name} must be an RFC 3339 time") from None
