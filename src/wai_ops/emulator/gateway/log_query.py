"""The query parameters of the log list and of its deletion, as SQL over what can be seen. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.gateway.log_filters import (
    COLUMNS,
    Condition,
    Pairs,
    parse_filters,
    to_argument,
    to_number,
    to_time,
)

MAX_PER_PAGE = 50
_DIRECTIONS = ("asc", "desc")
_ORDERS = ("created_at", "provider", "model", "model_type", "success", "cached")
_DELETE_ORDERS = (*_ORDERS, "cost", "tokens_in", "tokens_out", "duration", "feedback")
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
    "cost": "cost_usd",
    "duration": "duration",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "total_tokens": "tokens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Some rows of one gateway, in an order. Statements are over a table `seen`."""

    where: str
    order: str
    arguments: Mapping[str, Any]
    """Of all statements; they need the `Sight` of the moment besides."""
    with_bounds: bool = False
    page: int = 1
    per_page: int = 20

    def rows_sql(self) -> str:
        """The statement for one page of rows."""
        return f"select * from seen where {self.where} order by {self.order} limit :limit offset :offset"  # noqa: S608, E501 - constants

    def count_sql(self) -> str:
        """The statement for the totals."""
        bounds = [
            f"{side}({column}) as {side}_{name}"
            for name, column in _BOUNDED.items()
            for side in ("min", "max")
        ]
        columns = ", ".join(["count(*) as total_count", *(bounds if self.with_bounds else [])])
        return f"select {columns} from seen where {self.where}"  # noqa: S608 - constants

    def ids_sql(self) -> str:
        """The statement for the ids of the first rows."""
        return f"select id from seen where {self.where} order by {self.order} limit :limit"  # noqa: S608 - constants


def parse_log_query(pairs: Pairs) -> LogQuery:
    """Read the parameters of a list. Unknown ones are ignored. Raises 400/7001."""
    params = dict(pairs)
    conditions = [*_older_parameters(params), *parse_filters(pairs)]
    if search := params.get("search"):
        conditions.append(("instr(lower(metadata), lower(?)) > 0", (search,)))
    # `direction` is the older name of `order_by_direction`.
    older = _choice(params, "direction", _DIRECTIONS, "desc")
    page, per_page = positive(params, "page", 1), positive(params, "per_page", 20, MAX_PER_PAGE)
    where, arguments = _joined(conditions)
    return LogQuery(
        where=where,
        order=_order(params, _ORDERS, older),
        arguments={**arguments, "limit": per_page, "offset": (page - 1) * per_page},
        page=page,
        per_page=per_page,
        with_bounds=params.get("meta_info") == "true",
    )


def parse_delete_query(pairs: Pairs) -> LogQuery:
    """Read the parameters of a deletion: without any, it takes all rows. Raises 400/7001."""
    params = dict(pairs)
    where, arguments = _joined([*parse_filters(pairs)])
    limit = positive(params, "limit", 0) if "limit" in params else -1
    return LogQuery(
        where=where,
        order=_order(params, _DELETE_ORDERS, "asc"),
        arguments={**arguments, "limit": limit},
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


def _order(params: Mapping[str, str], known: Sequence[str], default: str) -> str:
    name = _choice(params, "order_by", known, "created_at")
    direction = _choice(params, "order_by_direction", _DIRECTIONS, default)
    # The id breaks ties, so that pages neither repeat nor skip a row.
    return f"{COLUMNS[name]} {direction}, id {direction}"


def _choice(params: Mapping[str, str], name: str, known: Sequence[str], default: str) -> str:
    value = params.get(name, default)
    if value not in known:
        raise invalid_query(f"{name} must be one of {', '.join(known)}")
    return value


def _older_parameters(params: Mapping[str, str]) -> Iterator[Condition]:
    if start := params.get("start_date"):
        yield "created_at >= ?", (to_time(start, "start_date"),)
    if end := params.get("end_date"):
        yield "created_at <= ?", (to_time(end, "end_date"),)
    for name in _EQUALS:
        if (text := params.get(name)) is not None:
            yield f"{COLUMNS[name]} is ?", (to_argument(name, text),)
    for name, column in _BOUNDED.items():
        for prefix, comparison in (("min_", ">="), ("max_", "<=")):
            if (text := params.get(prefix + name)) is not None:
                yield f"{column} {comparison} ?", (to_number(text, prefix + name),)


def _joined(conditions: Sequence[Condition]) -> tuple[str, dict[str, Any]]:
    """All conditions as one, with a name for each argument."""
    values = [value for _, found in conditions for value in found]
    parts = " and ".join(f"({text})" for text, _ in conditions).split("?")
    where = parts[0] + "".join(f":v{index}{part}" for index, part in enumerate(parts[1:]))
    return where or "true", {f"v{index}": value for index, value in enumerate(values)}
