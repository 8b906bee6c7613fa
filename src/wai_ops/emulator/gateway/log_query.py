"""The query parameters of the log list, turned into one SQL query. Pure.

Every piece of SQL is a constant of this module; what a client sends is only ever a parameter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.core.clock import parse_utc
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.times import to_millis_text

MAX_PER_PAGE = 50
_ORDERS = ("created_at", "provider", "model", "model_type", "success", "cached")
_COLUMNS = {
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
    "cost": "cast(cost as real)",
    "tokens": "tokens_in + tokens_out",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "duration": "duration",
    "feedback": "feedback",
    "event_id": "event_id",
    "authentication": "authentication",
    "wholesale": "wholesale",
    "compatibilityMode": "0",
    "dlp_action": "null",
    "user_agent": "user_agent",
}
"""Filter key -> expression."""
_METADATA = {
    "metadata.key": "exists (select 1 from json_each(metadata) where {})",
    "metadata.value": "exists (select 1 from json_each(metadata) where {})",
}
_METADATA_COLUMNS = {"metadata.key": "key", "metadata.value": "cast(atom as text)"}
_COMPARISONS = {
    "eq": "{} is ?",
    "neq": "{} is not ?",
    "contains": "instr(lower({}), lower(?)) > 0",
    "lt": "{} < ?",
    "gt": "{} > ?",
}
_EQUALS = (
    "success",
    "cached",
    "model",
    "model_type",
    "provider",
    "feedback",
    "request_content_type",
    "response_content_type",
)
"""Older parameters of their own, which mean one filter each."""
_BOUNDED = {
    "cost": "cast(cost as real)",
    "duration": "duration",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "total_tokens": "tokens_in + tokens_out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """One page of log rows."""

    where: str
    arguments: tuple[Any, ...]
    order: str
    page: int
    per_page: int
    with_bounds: bool

    def rows_sql(self) -> str:
        """The statement for the rows; its arguments are `arguments`, then limit and offset."""
        return f"select * from log where {self.where} order by {self.order} limit ? offset ?"  # noqa: S608 - constants

    def count_sql(self) -> str:
        """The statement for the totals, with the same `arguments`."""
        bounds = [
            f"{side}({expression}) as {side}_{name}"
            for name, expression in _BOUNDED.items()
            for side in ("min", "max")
        ]
        columns = ", ".join(["count(*) as total_count", *(bounds if self.with_bounds else [])])
        return f"select {columns} from log where {self.where}"  # noqa: S608 - constants


def parse_log_query(gateway_id: str, params: Mapping[str, str]) -> LogQuery:
    """Read the parameters. Unknown ones are ignored. Raises 400/7001."""
    conditions = [("gateway_id = ?", (gateway_id,))]
    conditions += _older_parameters(params)
    conditions += _filters(params.get("filters"))
    if search := params.get("search"):
        conditions.append(("instr(lower(metadata), lower(?)) > 0", (search,)))
    order = _choice(params, "order_by", _ORDERS, "created_at")
    direction = _choice(params, "order_by_direction", ("asc", "desc"), "desc")
    return LogQuery(
        where=" and ".join(f"({text})" for text, _ in conditions),
        arguments=tuple(value for _, values in conditions for value in values),
        # The id breaks ties, so that pages neither repeat nor skip a row.
        order=f"{order} {direction}, id {direction}",
        page=positive(params, "page", 1),
        per_page=positive(params, "per_page", 20, MAX_PER_PAGE),
        with_bounds=params.get("meta_info") == "true",
    )


def positive(params: Mapping[str, str], name: str, default: int, highest: int | None = None) -> int:
    """A page number or size. Raises 400/7001."""
    text = params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= len(text) <= 9 or int(text) < 1:
        raise invalid_query(f"{name} must be a number from 1")
    if highest is not None and int(text) > highest:
        raise invalid_query(f"{name} must be at most {highest}")
    return int(text)


def _choice(params: Mapping[str, str], name: str, known: Sequence[str], default: str) -> str:
    value = params.get(name, default)
    if value not in known:
        raise invalid_query(f"{name} must be one of {', '.join(known)}")
    return value


_Condition = tuple[str, tuple[Any, ...]]


def _older_parameters(params: Mapping[str, str]) -> Iterator[_Condition]:
    if start := params.get("start_date"):
        yield "created_at >= ?", (_time(start, "start_date"),)
    if end := params.get("end_date"):
        yield "created_at <= ?", (_time(end, "end_date"),)
    for name in _EQUALS:
        if (text := params.get(name)) is not None:
            yield f"{_COLUMNS[name]} is ?", (_value(name, text),)
    for name, expression in _BOUNDED.items():
        for prefix, comparison in (("min_", ">="), ("max_", "<=")):
            if (text := params.get(prefix + name)) is not None:
                yield f"{expression} {comparison} ?", (_numeric(text, prefix + name),)


def _filters(text: str | None) -> Iterator[_Condition]:
    """The one `filters` parameter: a JSON array of `{key, operator, value: [...]}`."""
    if text is None:
        return
    try:
        filters = decode_json(text)
    except ValueError:
        raise invalid_query("filters must be a JSON array") from None
    if not isinstance(filters, list):
        raise invalid_query("filters must be a JSON array")
    for item in filters:
        match item:
            case {"key": str(key), "operator": str(operator), "value": list(values)}:
                yield _filter(key, operator, values)
            case _:
                raise invalid_query("each filter is an object with key, operator and value[]")


def _filter(key: str, operator: str, values: list[Any]) -> _Condition:
    comparison = _COMPARISONS.get(operator)
    if comparison is None:
        raise invalid_query(f"filter operator {operator!r} is not known")
    if key not in _COLUMNS and key not in _METADATA:
        raise invalid_query(f"filter key {key!r} is not known")
    if not values or any(isinstance(value, dict | list) for value in values):
        raise invalid_query(f"filter {key!r} needs a list of plain values")
    found = tuple(str(value) if operator == "contains" else _value(key, value) for value in values)
    if key in _COLUMNS:
        glue = " and " if operator == "neq" else " or "
        return glue.join([comparison.format(_COLUMNS[key])] * len(found)), found
    # An entry that differs says nothing: "neq" means that no entry is equal.
    inner = _COMPARISONS["eq"] if operator == "neq" else comparison
    text = " or ".join([inner.format(_METADATA_COLUMNS[key])] * len(found))
    exists = _METADATA[key].format(text)
    return (f"not {exists}" if operator == "neq" else exists), found


def _value(key: str, value: Any) -> Any:
    """A value in the terms of its column: flags as numbers, times in the one spelling."""
    if value is None:
        return None
    match key:
        case "created_at":
            return _time(str(value), key)
        case "success" | "cached" | "authentication" | "wholesale" | "compatibilityMode":
            return _flag(value, key)
        case "cost" | "tokens" | "tokens_in" | "tokens_out" | "duration" | "feedback":
            return _numeric(value, key)
        case "metadata.value":
            return str(int(value)) if isinstance(value, bool) else str(value)
    return str(value)


def _flag(value: Any, name: str) -> int:
    known = {"true": 1, "1": 1, "false": 0, "0": 0}.get(str(value).lower())
    if known is None:
        raise invalid_query(f"{name} must be true or false")
    return known


def _numeric(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number != number or abs(number) == float("inf"):  # noqa: PLR0124 - NaN is not itself
        raise invalid_query(f"{name} must be a number")
    return number


def _time(text: str, name: str) -> str:
    try:
        return to_millis_text(parse_utc(text))
    except (ValueError, OverflowError):
        raise invalid_query(f"{name} must be an RFC 3339 time") from None
