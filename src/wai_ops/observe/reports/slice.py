"""The part of the ledger that a report is about: a window, and conditions on a few known names.

Every SQL expression comes from the two fixed maps here, every value travels as a parameter. A
report's `.sql` file has markers where the slice goes in:

    {where}      conditions on rows of `model_call`, the window among them
    {group}      the expression that names a row's group
    {all_where}  as {where} over the whole window, also where {where} is its two edges only
    {day_where}  the same for a day roll-up, over the whole UTC days of the window, and its grain
    {day_group}
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.core.window import Window

_PARAMETER = re.compile(r"\$(\w+)")


class Dimension(StrEnum):
    """What calls can be grouped and chosen by."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    PROMPT = "prompt"
    ROUTE = "route"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    TARGET = "target"
    SOURCE = "source"
    CONVERSATION = "conversation"
    ERROR = "error"
    DAY = "day"


IN_CALLS: dict[Dimension, str] = {
    Dimension.WORKFLOW: "workflow",
    Dimension.TENANT: "tenant",
    Dimension.MODEL: "model",
    Dimension.PROMPT: "prompt_name || coalesce('@' || prompt_version, '')",
    Dimension.ROUTE: "endpoint",
    Dimension.GATEWAY: "gateway_id",
    Dimension.PROVIDER: "provider",
    Dimension.TARGET: "target",
    Dimension.SOURCE: "sources",
    Dimension.CONVERSATION: (
        "coalesce(tenant, '') || ':' || coalesce(workflow, '') || ':' || conversation_id"
    ),
    Dimension.ERROR: "error_type",
    Dimension.DAY: "started_at::date",
}
"""Dimension -> the expression over `model_call`. Null: the call does not carry it."""
IN_DAYS: dict[Dimension, str] = {
    Dimension.WORKFLOW: "workflow",
    Dimension.TENANT: "tenant",
    Dimension.MODEL: "model",
    Dimension.PROMPT: "prompt",
    Dimension.ROUTE: "endpoint",
    Dimension.GATEWAY: "gateway_id",
    Dimension.TARGET: "target",
    Dimension.DAY: "day",
}
"""Dimension -> the column of the day roll-ups, for those that any of them keeps apart."""


@dataclass(frozen=True)
class RollUp:
    """Which dimensions a roll-up keeps apart: one grain at a time, and `always` in each of them."""

    grains: Mapping[str, frozenset[Dimension]]
    always: frozenset[Dimension]

    def grain(self, asked: Collection[Dimension]) -> str | None:
        """The first grain that can answer; None: only the table can."""
        rest = frozenset(asked) - self.always
        return next((name for name, kept in self.grains.items() if rest <= kept), None)


DAYS = RollUp(
    grains={
        "route": frozenset({Dimension.ROUTE, Dimension.GATEWAY, Dimension.TARGET}),
        "workflow": frozenset({Dimension.WORKFLOW}),
        "tenant": frozenset({Dimension.TENANT}),
        "model": frozenset({Dimension.MODEL}),
        "prompt": frozenset({Dimension.PROMPT}),
    },
    always=frozenset({Dimension.DAY}),
)
"""`rollup_day`."""
FAILURES = RollUp(
    grains={
        "route": frozenset({Dimension.ROUTE}),
        "workflow": frozenset({Dimension.WORKFLOW}),
        "tenant": frozenset({Dimension.TENANT}),
        "model": frozenset({Dimension.MODEL}),
    },
    always=frozenset({Dimension.DAY, Dimension.ERROR}),
)
"""`rollup_failure`."""
LATENCIES = RollUp(
    grains={
        "workflow": frozenset({Dimension.WORKFLOW}),
        "model": frozenset({Dimension.MODEL}),
    },
    always=frozenset({Dimension.DAY}),
)
"""`rollup_latency`."""
CONVERSATIONS = RollUp(
    grains={
        "workflow": frozenset({Dimension.WORKFLOW}),
        "tenant": frozenset({Dimension.TENANT}),
    },
    # No day by itself: a conversation has calls on several.
    always=frozenset(),
)
"""`rollup_conversation`."""
_DAY_COLUMNS = IN_DAYS | {Dimension.ERROR: "error_type"}
_NOTHING = "false"


@dataclass(frozen=True, slots=True)
class Condition:
    """`key=value`, or `key!=value`. An empty value stands for calls that do not carry the key."""

    key: Dimension
    value: str
    is_equal: bool = True


@dataclass(frozen=True, slots=True)
class Slice:
    """The calls of a window that fulfil every condition; the same key twice means either."""

    window: Window
    where: tuple[Condition, ...] = ()

    def describe(self) -> str:
        """Words for a note: the window, and the conditions."""
        conditions = (
            f"{item.key} {'=' if item.is_equal else '!='} {one_line(item.value, 80)}"
            for item in self.where
        )
        return ", ".join([self.window.describe(), *conditions])


def parse_where(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Read `key=value` and `key!=value`. Raises UsageError that lists the keys there are."""
    return tuple(_parse_condition(text) for text in texts)


def _parse_condition(text: str) -> Condition:
    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(
            f"--where {one_line(text)!r} is no condition", hint="give KEY=VALUE or KEY!=VALUE"
        )
    name = key.removesuffix("!").strip()
    try:
        dimension = Dimension(name)
    except ValueError:
        known = [item.value for item in Dimension]
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            f"--where: there is no {one_line(name)!r}"
            + (f"; did you mean {near[0]}?" if near else ""),
            hint=f"one of {', '.join(known)}",
        ) from None
    if dimension is Dimension.DAY:
        _parse_day(value)
    return Condition(dimension, value, is_equal=not key.endswith("!"))


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--where day={one_line(text)!r} is not a day", hint="such as day=2026-01-31"
        ) from None


@dataclass(frozen=True, slots=True)
class Filled:
    """The texts for a query's markers, and the values of the parameters in them."""

    markers: dict[str, str]
    values: dict[str, Any]

    def named_in(self, text: str) -> dict[str, Any]:
        """The values that a text with some of the markers filled needs: DuckDB refuses others."""
        names = set(_PARAMETER.findall(text))
        return {name: value for name, value in self.values.items() if name in names}


def over_calls(part: Slice, by: Dimension | None = None) -> Filled:
    """Fill `{where}` and `{group}`: every call of the slice, from the table."""
    return _fill(part, by, calls=[part.window])


def over_days_and_edges(part: Slice, by: Dimension | None = None, kept: RollUp = DAYS) -> Filled:
    """Fill all markers: whole UTC days from a roll-up, the two edges from the table.

    A slice that no grain of the roll-up can answer goes to the table as a whole, and then
    `{day_where}` chooses nothing.
    """
    asked = {condition.key for condition in part.where} | ({by} if by else set())
    grain = kept.grain(asked)
    if grain is None:
        return _fill(part, by, calls=[part.window])
    whole, edges = split_days(part.window)
    return _fill(part, by, calls=edges, days=whole, grain=grain)


def split_days(window: Window) -> tuple[Window | None, list[Window]]:
    """Cut a window into its whole UTC days (None: it has none) and what is left at the ends."""
    try:
        first = None if window.since is None else _midnight(window.since, is_after=True)
    except OverflowError:  # the last day that there is
        return None, [window]
    last = None if window.until is None else _midnight(window.until, is_after=False)
    if first is not None and last is not None and first >= last:
        return None, [window]
    edges = []
    if first is not None and window.since != first:
        edges.append(Window(window.since, first))
    if last is not None and window.until != last:
        edges.append(Window(last, window.until))
    return Window(first, last), edges


def _midnight(at: datetime, *, is_after: bool) -> datetime:
    utc = at.astimezone(UTC)
    midnight = datetime.combine(utc.date(), time(), UTC)
    return midnight + timedelta(days=1) if is_after and midnight != utc else midnight


def _fill(
    part: Slice,
    by: Dimension | None,
    *,
    calls: Sequence[Window],
    days: Window | None = None,
    grain: str = "",
) -> Filled:
    values: dict[str, Any] = {}
    conditions = list(_conditions(part, values, IN_CALLS))
    whole = _ends(part.window, values, "window", "started_at", to_naive)
    ranges = []
    for number, window in enumerate(calls):
        ends = _ends(window, values, f"edge_{number}", "started_at", to_naive)
        ranges.append(" and ".join(ends) or "true")
    chosen = f"({' or '.join(ranges)})" if ranges else _NOTHING
    markers = {
        "where": " and ".join([chosen, *conditions]),
        "all_where": " and ".join([*whole, *conditions]) or "true",
        "group": "null" if by is None else IN_CALLS[by],
        "day_where": _NOTHING,
        "day_group": "null",
    }
    if days is not None:
        ends = _ends(days, values, "days", "day", lambda at: at.date())
        again = list(_conditions(part, values, _DAY_COLUMNS))
        markers["day_where"] = " and ".join([f"grain = '{grain}'", *ends, *again])
        markers["day_group"] = "null" if by is None else _DAY_COLUMNS[by]
    return Filled(markers, values)


def _ends(window: Window, values: dict[str, Any], name: str, column: str, to_sql: Any) -> list[str]:
    found = []
    if window.since is not None:
        values[f"{name}_since"] = to_sql(window.since)
        found.append(f"{column} >= ${name}_since")
    if window.until is not None:
        values[f"{name}_until"] = to_sql(window.until)
        found.append(f"{column} < ${name}_until")
    return found


def to_naive(at: datetime) -> datetime:
    """Times in the ledger are naive UTC."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _conditions(
    part: Slice, values: dict[str, Any], expressions: dict[Dimension, str]
) -> Iterator[str]:
    """One text for each key and sign; the values go into `values`."""
    for key in Dimension:
        for is_equal in (True, False):
            wanted = [c.value for c in part.where if c.key is key and c.is_equal is is_equal]
            if wanted:
                yield _condition(key, wanted, is_equal, values, expressions)


def _condition(
    key: Dimension,
    wanted: list[str],
    is_equal: bool,
    values: dict[str, Any],
    expressions: dict[Dimension, str],
) -> str:
    expression = expressions[key]
    if key is Dimension.CONVERSATION and not any(":" in value for value in wanted):
        expression = "conversation_id"
    names = []
    for number, value in enumerate(value for value in wanted if value):
        name = f"{key}_{'is' if is_equal else 'not'}_{number}"
        values[name] = _parse_day(value) if key is Dimension.DAY else value
        names.append(f"${name}")
    listed = f"({expression}) in ({', '.join(names)})"
    is_null = f"({expression}) is null"
    if len(names) == len(wanted):
        chosen = listed
    else:
        chosen = f"({listed} or {is_null})" if names else is_null
    # Without a value for the key, `in` is null: such a call is not the one that was ruled out.
    return chosen if is_equal else f"not coalesce({chosen}, false)"
