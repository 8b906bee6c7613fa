"""A dataset's filter, order and grouping, as one SQL query over the facts. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from wai_ops.core.clock import parse_utc
from wai_ops.emulator.graphql_api.datasets import MAX_PAGE_SIZE, Dataset, Dimension
from wai_ops.emulator.store import is_storable
from wai_ops.emulator.times import to_millis_text

Condition = tuple[str, list[Any]]
_MAX_DEPTH = 20
COMPARISONS: Mapping[str, str] = {
    "": "{} is ?",
    "_neq": "{} is not ?",
    "_gt": "{} > ?",
    "_geq": "{} >= ?",
    "_lt": "{} < ?",
    "_leq": "{} <= ?",
    "_like": "{} like ?",
    "_notlike": "{} not like ?",
}
"""Suffix of a filter's name -> SQL."""
LISTS: Mapping[str, str] = {"_in": "{} in ({})", "_notin": "{} not in ({})"}
_LOWER, _UPPER = ("", "_gt", "_geq"), ("", "_lt", "_leq")
_STEPS = {
    "datetime": timedelta(seconds=1),
    "datetimeMinute": timedelta(minutes=1),
    "datetimeFiveMinutes": timedelta(minutes=5),
    "datetimeFifteenMinutes": timedelta(minutes=15),
    "datetimeHour": timedelta(hours=1),
    "date": timedelta(days=1),
}


class QueryError(Exception):
    """The query cannot be answered; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuery:
    """One statement, and its arguments in their order."""

    sql: str
    arguments: tuple[Any, ...]


def group_query(
    dataset: Dataset,
    *,
    where: Mapping[str, Any],
    order_by: Sequence[str],
    limit: int,
    dimensions: Sequence[str],
    now: datetime,
    lag: timedelta = timedelta(0),
) -> GroupQuery:
    """Group what happened up to `now - lag`. Raises QueryError.

    Columns: `d_<dimension>` for each of `dimensions`, `count`, and `sum_<name>` for every sum.
    """
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise QueryError(f"limit must be from 1 to {MAX_PAGE_SIZE}")
    start, end = _time_range(dataset, where, now)
    conditions: list[Condition] = [
        (dataset.condition, []),
        ("at >= ? and at < ?", [to_millis_text(start), to_millis_text(end)]),
        ("at <= ?", [to_millis_text(now - lag)]),
        _all(_filter(dataset, where, 0)),
    ]
    columns = [f"{dataset.dimensions[name].expression} as d_{name}" for name in dimensions]
    columns += ["count(*) as count"]
    columns += [f"{measure.expression} as sum_{name}" for name, measure in dataset.sums.items()]
    text = f"select {', '.join(columns)} from fact where {_all(conditions)[0]}"  # noqa: S608 - constants
    if dimensions:
        text += " group by " + ", ".join(f"d_{name}" for name in dimensions)
    else:
        text += " having count(*) > 0"
    if order_by:
        text += " order by " + ", ".join(_order(dataset, item, dimensions) for item in order_by)
    return GroupQuery(sql=f"{text} limit ?", arguments=(*_all(conditions)[1], limit))


def order_names(dataset: Dataset) -> list[str]:
    """What `orderBy` may name."""
    names = [*dataset.dimensions, "count", *(f"sum_{name}" for name in dataset.sums)]
    return [f"{name}_{direction}" for name in names for direction in ("ASC", "DESC")]


def _order(dataset: Dataset, item: str, dimensions: Sequence[str]) -> str:
    name, _, direction = item.rpartition("_")
    if name not in dataset.dimensions:
        return f"{name} {direction}"
    if name not in dimensions:
        raise QueryError(f"cannot order by {name}, which is not among the selected dimensions")
    return f"d_{name} {direction}"


def _all(conditions: Sequence[Condition], glue: str = "and") -> Condition:
    text = f" {glue} ".join(f"({part})" for part, _ in conditions) or "true"
    return text, [value for _, values in conditions for value in values]


def _filter(dataset: Dataset, where: Mapping[str, Any], depth: int) -> list[Condition]:
    if depth > _MAX_DEPTH:
        raise QueryError(f"filters nest {_MAX_DEPTH} deep at most")
    found = []
    for key, value in where.items():
        if value is None:
            continue
        if key in ("AND", "OR"):
            parts = [_all(_filter(dataset, part, depth + 1)) for part in value]
            if parts:
                found.append(_all(parts, key.lower()))
            continue
        name, suffix = split_name(dataset, key)
        dimension = dataset.dimensions[name]
        if suffix in LISTS:
            marks = ", ".join("?" * len(value))
            values = [_argument(name, dimension, item) for item in value]
            found.append((LISTS[suffix].format(dimension.expression, marks), values))
        else:
            comparison = COMPARISONS[suffix].format(dimension.expression)
            found.append((comparison, [_argument(name, dimension, value)]))
    return found


def split_name(dataset: Dataset, key: str) -> tuple[str, str]:
    """A filter's dimension and the suffix of its comparison."""
    if key in dataset.dimensions:
        return key, ""
    name, _, suffix = key.rpartition("_")
    return name, f"_{suffix}"


def _argument(name: str, dimension: Dimension, value: Any) -> Any:
    """A value in the terms of its dimension. Raises QueryError."""
    match dimension.kind:
        case "Time":
            return _time(name, value).strftime("%Y-%m-%dT%H:%M:%SZ")
        case "Date":
            return _date(name, value).isoformat()
        case "string":
            if not isinstance(value, str) or not is_storable(value):
                raise QueryError(f"{name} must be compared with a string")
            return value
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 2**63:
        raise QueryError(f"{name} must be compared with a number")
    return value


def _time(name: str, value: Any) -> datetime:
    try:
        return parse_utc(value)
    except (TypeError, ValueError, OverflowError):
        raise QueryError(f"{name} must be compared with an RFC 3339 time, not {value!r}") from None


def _date(name: str, value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise QueryError(f"{name} must be compared with a date, not {value!r}") from None


def _time_range(
    dataset: Dataset, where: Mapping[str, Any], now: datetime
) -> tuple[datetime, datetime]:
    """What the filter leaves of time; without a start, as far as one query may span."""
    width, reach = timedelta(days=dataset.width_days), timedelta(days=dataset.reach_days)
    bounds = list(_bounds(dataset, where, 0))
    start = max((at for at, _ in bounds if at is not None), default=None)
    end = min([at for _, at in bounds if at is not None] + [now + timedelta(seconds=1)])
    if start is None:
        start = end - width
    # Whole days and a day's grace: clients round to days, and their clocks are not this one.
    if start < (now - reach).replace(hour=0, minute=0, second=0, microsecond=0):
        raise QueryError(
            f"cannot request data older than {int(reach.total_seconds())}s ({dataset.name})"
        )
    if end - start > width + timedelta(days=1):
        raise QueryError(
            f"query time range is too large. Maximum duration is {int(width.total_seconds())}s "
            f"({dataset.name})"
        )
    return start, max(end, start)


def _bounds(
    dataset: Dataset, where: Mapping[str, Any], depth: int
) -> Iterator[tuple[datetime | None, datetime | None]]:
    """(start, end) of each condition on time that holds for the whole query."""
    if depth > _MAX_DEPTH:
        return
    for key, value in where.items():
        if value is None or key == "OR":
            continue
        if key == "AND":
            for part in value:
                yield from _bounds(dataset, part, depth + 1)
            continue
        name, suffix = split_name(dataset, key)
        step = _STEPS.get(name)
        if step is None or suffix not in (*_LOWER, *_UPPER):
            continue
        if name == "date":
            at = datetime.combine(_date(name, value), datetime.min.time(), tzinfo=UTC)
        else:
            at = _time(name, value)
        yield at if suffix in _LOWER else None, at + step if suffix in _UPPER else None
