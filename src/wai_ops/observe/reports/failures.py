"""Why calls fail: every class of the taxonomy with its rate, cost, trend and what can be done.

A call that a policy, an envelope or a budget refused before it was sent is a failure too, which
cost nothing. Only this report has it: everywhere else a request is one that was sent.

The share that no rule knows (`unknown`) is reported itself, and its messages are clustered by their
shape, so that the next rule can be written.
"""

from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache

from wai_ops.core.failures import TRAITS, FailureClass, Traits
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.compare import previous_window
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.group import LABELS, TOTAL
from wai_ops.observe.reports.query import query_rolled, query_slice
from wai_ops.observe.reports.slice import DAYS, FAILURES, Dimension, Slice

_Key = tuple[str | None, str | None]
"""Class of failures, and group."""
_TRAITS = {failure.value: traits for failure, traits in TRAITS.items()}
_EXAMPLE = 200
"""Characters of a message that are shown."""
_MOST_SHAPES = 100
_UNKNOWN = FailureClass.UNKNOWN.value
NOWHERE = (Dimension.ROUTE, Dimension.GATEWAY, Dimension.PROVIDER, Dimension.TARGET)
"""What a call that was refused before it was sent does not have."""


@dataclass(frozen=True, kw_only=True)
class _Class:
    error_type: str = col("Error")


@dataclass(frozen=True, kw_only=True)
class FailureNumbers:
    """What is known of one class of failures."""

    fault: str | None = col("Whose fault")
    is_retryable: bool | None = col("Retryable", Unit.FLAG)
    request_count: int = col("Requests", Unit.COUNT)
    refused_count: int = col("Not sent", Unit.COUNT)
    """Of these requests, those that were refused before they were sent."""
    failed_run_count: int = col("Runs lost", Unit.COUNT)
    """Runs of which this was the last attempt, or that were refused before any."""
    request_ratio: float | None = col("Of all requests", Unit.RATIO)
    failure_ratio: float | None = col("Of failures", Unit.RATIO)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    previous_count: int | None = col("Period before", Unit.COUNT)
    trend_ratio: float | None = col("Trend", Unit.RATIO)
    """Requests against the equally long period before: 0.5 is half as many again."""
    first_at: datetime | None = col("First", Unit.TIME)
    last_at: datetime | None = col("Last", Unit.TIME)
    meaning: str | None = col("Meaning")
    example: str | None = col("Newest message")


@dataclass(frozen=True, kw_only=True)
class FailureRow(FailureNumbers, _Class):
    """One class of failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureShape:
    """One shape of messages that no rule knows."""

    shape: str | None = col("Message shape")
    http_status: int | None = col("Status")
    error_code: int | None = col("Code")
    request_count: int = col("Requests", Unit.COUNT)
    failed_run_count: int = col("Runs lost", Unit.COUNT)
    unknown_ratio: float = col("Of unknown", Unit.RATIO)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    first_at: datetime = col("First", Unit.TIME)
    last_at: datetime = col("Last", Unit.TIME)
    example: str | None = col("Newest message")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """A row of `failures.sql`."""

    error_type: str | None
    name: str | None
    is_total: bool
    request_count: int
    refused_count: int
    failed_run_count: int
    cost_usd: Decimal | None
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureBase:
    """The row of `failures_base.sql`."""

    request_count: int
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCalls:
    """The row of `failures_refused.sql`."""

    refused_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureExample:
    """A row of `failures_examples.sql`."""

    error_type: str
    name: str | None
    example: str


@cache
def failure_row_type(by: Dimension | None) -> type[FailureNumbers]:
    """The class of failures in front, then the group where there is one."""
    if by is None:
        return FailureRow
    group = make_dataclass(
        "_Group", [(by.value, str | None, col(LABELS[by]))], frozen=True, kw_only=True
    )
    made = type(f"FailuresBy{by.name.title()}", (FailureNumbers, group, _Class), {})
    return dataclass(frozen=True, kw_only=True)(made)


def failures_report(
    store: Store,
    part: Slice,
    by: Dimension | None = None,
    *,
    now: datetime,
    is_rolled: bool = True,
) -> Table[FailureNumbers]:
    """Every class of failures in the slice, most first. Raises DataError.

    `by` splits each class further. `now` is where an open window ends, for the period before.
    """
    kept = FAILURES if is_rolled else None
    groups = query_rolled(store, FailureGroup, "failures", part, by, kept=kept)
    base = _base(store, part, is_rolled=is_rolled)
    refused = _refused_count(store, part)
    before: dict[_Key, int] | None = None
    if part.window.since is not None:
        earlier = replace(part, window=previous_window(part.window, now=now))
        rows = query_rolled(store, FailureGroup, "failures", earlier, by, kept=kept)
        before = {(row.error_type, row.name): row.request_count for row in rows}
    said = query_slice(store, FailureExample, "failures_examples", part, by)
    examples: dict[_Key, str] = {(row.error_type, row.name): row.example for row in said}
    failed = next((group.request_count for group in groups if group.is_total), 0)
    row_type = failure_row_type(by)
    around = _Around(base.request_count + refused, failed, before, examples)
    rows_made = [_row(group, by, row_type, around) for group in groups]
    totals = [row for row, group in zip(rows_made, groups, strict=True) if group.is_total]
    return Table(
        row_type=row_type,
        rows=[row for row, group in zip(rows_made, groups, strict=True) if not group.is_total],
        title="Failures" if by is None else f"Failures by {by.value}",
        notes=tuple(_notes(store, part, base, refused, groups)),
        total=totals[0] if totals else None,
    )


def unknown_report(store: Store, part: Slice) -> Table[FailureShape]:
    """The failures that no rule knows, clustered by the shape of their message."""
    rows = query_slice(store, FailureShape, "failures_shapes", part, most=_MOST_SHAPES)
    found = read_evidence(store, part)
    count = sum(row.request_count for row in rows)
    notes = [f"{part.describe()}: {counted(count, 'unknown failure')}"]
    if len(rows) == _MOST_SHAPES:
        notes.append(f"the {_MOST_SHAPES} most frequent shapes; there may be more")
    return Table(
        row_type=FailureShape,
        rows=[replace(row, example=_short(row.example), shape=_short(row.shape)) for row in rows],
        title="Unknown failures by the shape of their message",
        notes=(*notes, *missing_notes(found, store.folded.in_flight_count)),
    )


def _base(store: Store, part: Slice, *, is_rolled: bool) -> FailureBase:
    """All calls that were sent."""
    kept = DAYS if is_rolled else None
    whole = _without(part, Dimension.ERROR)
    return query_rolled(store, FailureBase, "failures_base", whole, kept=kept)[0]


def _refused_count(store: Store, part: Slice, *aside: Dimension) -> int:
    """The calls that were refused before they were sent, whatever the class and `aside`."""
    whole = _without(part, Dimension.ERROR, *aside)
    return query_slice(store, RefusedCalls, "failures_refused", whole)[0].refused_count


def _without(part: Slice, *keys: Dimension) -> Slice:
    """The slice without the conditions on these; a rate is a rate of calls of all classes."""
    return Slice(part.window, tuple(item for item in part.where if item.key not in keys))


@dataclass(frozen=True, slots=True)
class _Around:
    """What a row is held against: all requests, sent or not, all failures, the period before."""

    request_count: int
    failed_count: int
    before: dict[_Key, int] | None
    examples: dict[_Key, str]

    def previous(self, group: FailureGroup) -> int | None:
        if self.before is None:
            return None
        return self.before.get((group.error_type, group.name), 0)


def _row(
    group: FailureGroup, by: Dimension | None, row_type: type[FailureNumbers], around: _Around
) -> FailureNumbers:
    traits = None if group.is_total else traits_of(group.error_type)
    previous = around.previous(group)
    names: dict[str, str | None] = {"error_type": TOTAL if group.is_total else group.error_type}
    if by is not None:
        names[by.value] = group.name
    return row_type(
        **names,
        fault=None if traits is None else traits.fault.value,
        is_retryable=None if traits is None else traits.retryable,
        request_count=group.request_count,
        refused_count=group.refused_count,
        failed_run_count=group.failed_run_count,
        request_ratio=_ratio(group.request_count, around.request_count),
        failure_ratio=_ratio(group.request_count, around.failed_count),
        cost_usd=group.cost_usd,
        previous_count=previous,
        trend_ratio=_ratio(group.request_count - previous, previous) if previous else None,
        first_at=group.first_at,
        last_at=group.last_at,
        meaning=None if traits is None else traits.meaning,
        example=_short(around.examples.get((group.error_type, group.name))),
    )


def traits_of(error_type: str | None) -> Traits | None:
    """What is known of a class; None for one that this version does not know."""
    return _TRAITS.get(error_type or "")


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _short(text: str | None) -> str | None:
    return None if text is None else one_line(text, _EXAMPLE)


def _notes(
    store: Store, part: Slice, base: FailureBase, refused: int, groups: list[FailureGroup]
) -> Iterator[str]:
    found = read_evidence(store, part)
    failed = next((group.request_count for group in groups if group.is_total), 0)
    total = base.request_count + refused
    yield f"{part.describe()}: {counted(total, 'request')}, {failed:,} failed" + (
        f" ({100 * failed / total:.1f}%)" if total else ""
    )
    yield from _refused_notes(store, part, refused, total)
    singles = [group for group in groups if not group.is_total]
    again = [g.request_count for g in singles if (t := traits_of(g.error_type)) and t.retryable]
    if again:
        yield f"{share(sum(again), failed, 'failure')} could succeed when sent again"
    unknown = sum(g.request_count for g in singles if g.error_type == _UNKNOWN)
    if unknown:
        yield (
            f"{share(unknown, failed, 'failure')} are of no known kind; their messages by shape:"
            " wai report failures --unknown"
        )
    yield from source_notes(base, found, part)
    yield from missing_notes(found, store.folded.in_flight_count)


def _refused_notes(store: Store, part: Slice, refused: int, total: int) -> Iterator[str]:
    if refused:
        yield (
            f"{share(refused, total)} were refused here before they were sent, by a policy, an"
            " envelope or a budget: they cost nothing, and no other report counts them"
        )
    asked = {condition.key for condition in part.where}
    names = [name.value for name in NOWHERE if name in asked]
    hidden = _refused_count(store, part, *NOWHERE) - refused if names else 0
    if hidden:
        yield (
            f"left out: {counted(hidden, 'request')} refused here before being sent, because what"
            f" is not sent has no {' and no '.join(names)}"
        )
