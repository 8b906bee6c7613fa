"""Completeness, day by day: is everything here that the gateway says there was?

`complete` needs three things: the whole day was read (of a running day: without a hole so far), the
gateway's own count is known, and the ledger holds as many rows. Fewer rows, or a hole, is
`incomplete`. Everything else is `unknown`: no count, a source that may leave rows out, or rows that
may still come.

The count is the analytics'. Where nobody could ask those, it is the log's own, added up over the
windows as they were read, once they were read late enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.observe.ingest.counts import GRAPHQL, RESULT_INFO, midnight
from wai_ops.observe.ingest.windows import Span, subtract
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.pull_status import (
    Completeness,
    GatewayDay,
    read_completeness,
)
from wai_ops.observe.ledger.pulls import opened

_DAY = timedelta(days=1)


class DayVerdict(StrEnum):
    """What is known about a day."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStatus:
    """One gateway on one UTC day.

    `counted` is what `counted_by` counts before `counted_until`, and `gap_count` how many of those
    the ledger lacks; `listed_count` is what the log itself counted when it was read.
    """

    day: str = col("Day")
    gateway_id: str = col("Gateway")
    verdict: str = col("Verdict")
    held_count: int = col("Held", Unit.COUNT)
    listed_count: int | None = col("Listed", Unit.COUNT)
    counted: int | None = col("Counted", Unit.COUNT)
    gap_count: int | None = col("Gap", Unit.COUNT)
    hole_count: int = col("Holes", Unit.COUNT)
    duplicate_count: int = col("Duplicates", Unit.COUNT)
    late_row_count: int = col("Late rows", Unit.COUNT)
    late_field_count: int = col("Late fields", Unit.COUNT)
    pending_count: int = col("Pending", Unit.COUNT)
    without_contract_count: int = col("Without keys", Unit.COUNT)
    unread_ratio: float = col("Unread", Unit.RATIO)
    counted_by: str | None = col("Counted by")
    counted_until: datetime | None = col("Counted until", Unit.TIME)
    reason: str = col("Why")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Which days. Times are aware; None: the last thirty days."""

    since: datetime | None = None
    until: datetime | None = None
    gateway_id: str | None = None
    hold_back_s: float = 120
    settle_s: float = 1800
    fail_incomplete: bool = False


_DAYS = 30
_NAMED_DAYS = 3


def days_of(request: StatusRequest, now: datetime) -> Span:
    """The whole UTC days that a request is about."""
    until = now if request.until is None else min(request.until, now)
    last = until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = last if last == until else last + _DAY
    since = end - _DAYS * _DAY if request.since is None else request.since.astimezone(UTC)
    start = since.replace(hour=0, minute=0, second=0, microsecond=0)
    return Span(start, max(end, start))


def read_status(
    state_dir: Path,
    clock: Clock,
    request: StatusRequest,
    progress: Progress = ignore_progress,
) -> Table[DayStatus]:
    """Judge each day from what the ledger knows; asks nobody. Raises DataError."""
    now = clock.now()
    days = days_of(request, now)
    with opened(state_dir, clock, progress) as connection:
        found = read_completeness(
            connection, days.since, days.until, request.gateway_id, settle_s=request.settle_s
        )
    newest = now - timedelta(seconds=request.hold_back_s)
    return to_table(found, newest, fail_incomplete=request.fail_incomplete)


def to_table(
    found: Completeness, newest: datetime, *, fail_incomplete: bool = False
) -> Table[DayStatus]:
    """Judge each day; what is after `newest` was too new to be read. Pure."""
    read = {name: [Span(*span) for span in spans] for name, spans in found.read.items()}
    begun = [day for day in found.days if day.held_count or midnight(day.day) < newest]
    rows = [_judged(day, read.get(day.gateway_id, []), newest) for day in begun]
    verdict = None
    if fail_incomplete:
        is_complete = bool(rows) and all(row.verdict == DayVerdict.COMPLETE for row in rows)
        verdict = Verdict.PASS if is_complete else Verdict.FAIL
    return Table(row_type=DayStatus, rows=rows, notes=_notes(found.days, rows), verdict=verdict)


def _judged(day: GatewayDay, read: Sequence[Span], newest: datetime) -> DayStatus:
    start = midnight(day.day)
    whole = Span(start, min(start + _DAY, newest))
    holes = subtract(whole, read) if whole.since < whole.until else []
    if day.window_count == 0:
        holes = []  # imported, not pulled: nothing was read in windows
    elif holes and whole.until == newest and holes[-1].until == newest:
        holes.pop()  # the day is still running: what came since the last pull is no hole
    proof = _proof(day)
    gap = None
    if proof.counted is not None and proof.held is not None:
        gap = proof.counted - proof.held
    verdict, reason = _verdict(day, proof, gap, holes)
    unread = sum(hole.seconds for hole in holes)
    return DayStatus(
        day=day.day.isoformat(),
        gateway_id=day.gateway_id,
        verdict=verdict.value,
        held_count=day.held_count,
        listed_count=day.read_count,
        counted=proof.counted,
        counted_by=proof.source,
        counted_until=proof.until,
        gap_count=gap,
        hole_count=len(holes),
        unread_ratio=unread / whole.seconds if holes else 0.0,
        duplicate_count=day.duplicate_count,
        late_row_count=day.late_row_count,
        late_field_count=day.late_field_count,
        pending_count=day.pending_count,
        without_contract_count=day.without_contract_count,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _Proof:
    """The count that a day is held against."""

    counted: int | None
    source: str | None
    until: datetime | None
    held: int | None
    """Rows held before `until`."""
    is_settled: bool


def _proof(day: GatewayDay) -> _Proof:
    """Somebody else's count; where there is none, the log's own, as it was read."""
    if day.counted is not None or day.read_count is None:
        return _Proof(
            day.counted,
            day.counted_by,
            day.counted_until,
            day.held_until_count,
            bool(day.is_settled),
        )
    return _Proof(
        day.read_count, RESULT_INFO, day.read_until, day.held_count, not day.is_read_early
    )


def _verdict(
    day: GatewayDay, proof: _Proof, gap: int | None, holes: Sequence[Span]
) -> tuple[DayVerdict, str]:
    if holes:
        first = holes[0]
        return (
            DayVerdict.INCOMPLETE,
            f"not read: {first.since:%H:%M:%S} to {first.until:%H:%M:%S}"
            + (f" and {len(holes) - 1} more" if len(holes) > 1 else ""),
        )
    if day.is_sampled:
        return DayVerdict.UNKNOWN, "the source may have left rows out"
    is_untouched = day.window_count == 0 and day.held_count == 0
    if gap is None:
        return DayVerdict.UNKNOWN, "not pulled" if is_untouched else "nobody was asked: --refresh"
    if gap > 0:
        if day.listed_count is not None and day.listed_count <= (day.held_until_count or 0):
            return DayVerdict.INCOMPLETE, f"{gap} requests are not in the gateway's log"
        return (
            DayVerdict.INCOMPLETE,
            f"not pulled: {gap} rows" if is_untouched else f"{gap} rows are missing",
        )
    if day.partial_window_count:
        return DayVerdict.INCOMPLETE, "a window changed while it was read: pull again"
    if not proof.is_settled:
        return DayVerdict.UNKNOWN, "rows may still come late: pull again later"
    words = [f"{-gap} rows more than were counted"] if gap < 0 else []
    if proof.until is not None and proof.until < midnight(day.day) + _DAY:
        words.append(f"so far, to {proof.until:%H:%M:%S}")
    return DayVerdict.COMPLETE, "; ".join(words)


def _notes(days: Sequence[GatewayDay], rows: Sequence[DayStatus]) -> tuple[str, ...]:
    if not rows:
        return ("no gateway log has been pulled or counted in this window; see: wai logs pull",)
    notes = [
        _verdict_note(verdict, found, len(rows))
        for verdict in DayVerdict
        if (found := [row for row in rows if row.verdict == verdict])
    ]
    if pending := sum(day.pending_count for day in days):
        notes.append(f"{pending} rows lack cost or usage; recent ones are read again by each pull")
    if any(
        row.gap_count is not None and row.gap_count > 0 and not row.hole_count
        for row in rows
        if row.counted_by == GRAPHQL and row.listed_count is not None
    ):
        notes.append(
            "the analytics also count requests whose log was not collected, or was deleted since"
        )
    return tuple(notes)


def _verdict_note(verdict: DayVerdict, found: Sequence[DayStatus], of: int) -> str:
    """`2 of 8 days are incomplete: 2026-11-20 (4 rows are missing), ...`."""
    days = "1 day" if of == 1 else f"{of} days"
    text = f"{len(found)} of {days} {'is' if len(found) == 1 else 'are'} {verdict}"
    if verdict is DayVerdict.COMPLETE:
        return text
    named = [f"{row.day} ({row.reason})" for row in found[:_NAMED_DAYS]]
    more = ["..."] if len(found) > _NAMED_DAYS else []
    return f"{text}: {', '.join([*named, *more])}"
