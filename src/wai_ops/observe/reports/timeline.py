"""One conversation from its first call to its outcome: everything that happened, in order.

What is missing is said as well: turns and attempts that left no trace, and which of the two sides
knows of each call.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from wai_ops.core.errors import UsageError
from wai_ops.core.money import CostState
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import missing_notes, read_evidence
from wai_ops.observe.reports.slice import Slice
from wai_ops.observe.reports.timeline_facts import (
    Call,
    Decided,
    Ending,
    Epoch,
    Facts,
    InFlight,
    Tool,
)

_NAMED = 12
_KNOWN = {CostState.METERED.value, CostState.CONFIRMED.value, CostState.NONE.value}


class _Rank(IntEnum):
    """What comes first of two things at the same instant."""

    SESSION = 0
    DECISION = 1
    CALL = 2
    TOOL = 3
    OUTCOME = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One thing that happened. None: it does not apply, or nobody said."""

    number: int | None = col("#", Unit.COUNT)
    at: datetime | None = col("Time", Unit.TIME)
    turn_index: int | None = col("Turn", Unit.COUNT)
    event: str = col("Event")
    what: str = col("What")
    result: str | None = col("Result")
    detail: str | None = col("Detail")
    sources: str | None = col("Known from")
    ttft_ms: float | None = col("TTFT", Unit.MS, default=None)
    duration_ms: float | None = col("Took", Unit.MS, default=None)
    input_tokens: int | None = col("Input", Unit.TOKENS, default=None)
    cached_input_tokens: int | None = col("Cached", Unit.TOKENS, default=None)
    output_tokens: int | None = col("Output", Unit.TOKENS, default=None)
    cost_usd: Decimal | None = col("Cost", Unit.USD, default=None)
    cost_state: str | None = col("Cost is", default=None)


def timeline_report(store: Store, facts: Facts, part: Slice) -> Table[TimelineRow]:
    """The conversation in order, with its total. Raises UsageError where nothing is known of it."""
    if facts.is_empty:
        raise UsageError(
            f"nothing is known of a conversation {one_line(str(facts.key), 200)}",
            hint="see: wai report cost --by conversation",
        )
    events = sorted(_events(facts), key=lambda item: item[:2])
    rows = [replace(row, number=number) for number, (_, _, row) in enumerate(events, start=1)]
    return Table(
        row_type=TimelineRow,
        rows=rows,
        title=f"Timeline of {one_line(str(facts.key))}",
        notes=tuple(_notes(store, facts, part)),
        total=_total(facts) if facts.calls else None,
    )


_Event = tuple[tuple[datetime, _Rank], int, TimelineRow]
"""When and what comes first, the place among its own kind, and the row."""


def _events(facts: Facts) -> Iterator[_Event]:
    kinds: tuple[tuple[_Rank, Iterable[TimelineRow]], ...] = (
        (_Rank.SESSION, map(_of_epoch, facts.epochs)),
        (_Rank.DECISION, map(_of_decision, facts.decisions)),
        (_Rank.CALL, [*map(_of_call, facts.calls), *map(_of_in_flight, facts.in_flight)]),
        (_Rank.TOOL, map(_of_tool, facts.tools)),
        (_Rank.OUTCOME, _of_endings(facts.endings)),
    )
    for rank, rows in kinds:
        for place, row in enumerate(rows):
            assert row.at is not None
            yield (row.at, rank), place, row


def _of_epoch(item: Epoch) -> TimelineRow:
    return TimelineRow(
        number=None,
        at=item.occurred_at,
        turn_index=None,
        event="session",
        what=f"epoch {item.epoch} begins",
        result=item.reason,
        detail=None,
        sources="client only",
    )


def _of_decision(item: Decided) -> TimelineRow:
    words = [
        item.rule and f"rule {item.rule}",
        f"policy {item.policy_version}",
        item.actor and f"by {item.actor}",
        item.justification,
        item.decision_id,
    ]
    return TimelineRow(
        number=None,
        at=item.occurred_at,
        turn_index=item.turn_index,
        event="decision",
        what=item.action,
        result=item.verdict,
        detail=_joined(words),
        sources="decision log",
    )


def _of_call(item: Call) -> TimelineRow:
    attempt = "call" if item.attempt is None else f"attempt {item.attempt}"
    step = f" step {item.step}" if item.step else ""
    affinity = item.affinity_result and f"prefix {item.affinity_result}"
    if affinity and item.affinity_cause:
        affinity += f" ({item.affinity_cause})"
    words = [
        None if item.http_status is None else f"HTTP {item.http_status}",
        item.finish_reason and f"finish {item.finish_reason}",
        "from the gateway's cache" if item.gateway_cache_hit else None,
        affinity,
        item.feedback and f"feedback {item.feedback:+d}",
        item.error_message and one_line(item.error_message, 200),
    ]
    return TimelineRow(
        number=None,
        at=item.started_at,
        turn_index=item.turn_index,
        event="call",
        what=f"{attempt}{step}: {item.model or 'model unknown'}",
        result=item.error_type or "ok",
        detail=_joined(words),
        sources=item.sources,
        ttft_ms=item.ttft_ms,
        duration_ms=item.duration_ms,
        input_tokens=item.input_tokens,
        cached_input_tokens=item.cached_input_tokens,
        output_tokens=item.output_tokens,
        cost_usd=item.cost_usd,
        cost_state=item.cost_state,
    )


def _of_in_flight(item: InFlight) -> TimelineRow:
    return TimelineRow(
        number=None,
        at=item.started_at,
        turn_index=item.turn_index,
        event="call",
        what=f"attempt {item.attempt}: {item.model}",
        result="in flight",
        detail=None,
        sources="client only",
    )


def _of_tool(item: Tool) -> TimelineRow:
    words = [
        f"family {item.tool_family}",
        item.decision_id and f"decision {item.decision_id}",
        None
        if item.output_tokens is None
        else f"{item.output_tokens:,.4g} output tokens of its turn",
    ]
    return TimelineRow(
        number=None,
        at=item.started_at,
        turn_index=item.turn_index,
        event="tool",
        what=item.tool_name,
        result=item.error_type or "ok",
        detail=_joined(words),
        sources=item.source,
        duration_ms=item.duration_ms,
    )


def _of_endings(items: Iterable[Ending]) -> Iterator[TimelineRow]:
    endings = list(items)
    for item in endings:
        is_last = item is endings[-1]
        words = [
            None if item.value_usd is None else f"worth {_usd(item.value_usd)}",
            None if is_last else "a later one counts",
            item.note,
        ]
        yield TimelineRow(
            number=None,
            at=item.recorded_at,
            turn_index=None,
            event="outcome",
            what=item.outcome,
            result="counts" if is_last else None,
            detail=_joined(words),
            sources=item.source,
        )


def _usd(value: Decimal) -> str:
    """Every digit that counts, and at least the cents."""
    whole, _, fraction = f"{value:,f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _joined(words: Iterable[str | int | None]) -> str | None:
    return "; ".join(str(word) for word in words if word) or None


def _total(facts: Facts) -> TimelineRow:
    calls = facts.calls
    known = [c.cost_usd for c in calls if c.cost_state in _KNOWN and c.cost_usd is not None]
    failed = sum(call.error_type is not None for call in calls)
    return TimelineRow(
        number=None,
        at=None,
        turn_index=None,
        event="total",
        what=counted(len(calls), "call"),
        result=f"{failed:,} failed",
        detail=None,
        sources=None,
        input_tokens=sum(call.input_tokens or 0 for call in calls),
        cached_input_tokens=sum(call.cached_input_tokens or 0 for call in calls),
        output_tokens=sum(call.output_tokens or 0 for call in calls),
        cost_usd=sum(known, Decimal(0)) if known else None,
    )


def _notes(store: Store, facts: Facts, part: Slice) -> Iterator[str]:
    calls = facts.calls
    turns = {call.turn_index for call in calls if call.turn_index is not None}
    yield f"{counted(len(calls), 'call')} of {counted(len(turns), 'turn')}" + "".join(
        f", {counted(len(items), noun)}"
        for items, noun in (
            (facts.tools, "tool call"),
            (facts.decisions, "decision"),
            (facts.epochs, "affinity epoch"),
        )
        if items
    )
    known = Counter(call.sources for call in calls)
    if calls:
        words = (f"{count:,} {name}" for name, count in sorted(known.items()))
        yield f"calls known from: {', '.join(words)}"
    yield from missing_parts(calls, facts.in_flight)
    if unknown := sum(call.cost_state == CostState.UNKNOWN.value for call in calls):
        yield f"{counted(unknown, 'call')} of unknown cost, in no sum here"
    if estimated := sum(call.cost_state == CostState.ESTIMATED.value for call in calls):
        yield f"{counted(estimated, 'call')} with an estimated cost only, in no sum here"
    if facts.in_flight:
        yield f"{counted(len(facts.in_flight), 'attempt')} in flight"
    if not facts.endings:
        yield "no outcome was recorded; see: wai outcomes record"
    yield from missing_notes(read_evidence(store, part), in_flight_count=0)


def missing_parts(calls: Iterable[Call], in_flight: Iterable[InFlight] = ()) -> Iterator[str]:
    """Say which turns and attempts must have been there and left no trace. Pure."""
    attempts: dict[int, set[int]] = {}
    without = 0
    for call in calls:
        if call.turn_index is None or call.attempt is None:
            without += 1
        else:
            attempts.setdefault(call.turn_index, set()).add(call.attempt)
    for going in in_flight:
        attempts.setdefault(going.turn_index, set()).add(going.attempt)
    if without:
        yield f"{counted(without, 'call')} without turn or attempt number"
    if gaps := _gaps(attempts, first=0):
        yield f"no call of turn {_listed(gaps)} is known"
    lost = [
        f"{number} of turn {turn}"
        for turn, seen in sorted(attempts.items())
        for number in _gaps(seen, first=1)
    ]
    if lost:
        yield f"no trace of attempt {_listed(lost)}"


def _gaps(seen: Iterable[int], *, first: int) -> list[int]:
    """What is missing from `first` up to the highest; a few thousand at most."""
    present = set(seen)
    top = max(present, default=first - 1)
    return [n for n in range(first, min(top, first + 10_000)) if n not in present]


def _listed(items: list[int] | list[str]) -> str:
    shown = ", ".join(map(str, items[:_NAMED]))
    return shown if len(items) <= _NAMED else f"{shown} and {len(items) - _NAMED} more"
