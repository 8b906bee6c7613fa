"""Completeness, day by day: is everything here that the gateway says there was?

`complete` needs three things: the whole day was read (of a running day: without a hole so far), the
gateway's own count is known, and the ledger holds as many rows. Fewer rows, or a hole, is
`incomplete`. Everything else is `unknown`: no count, or a source that may leave rows out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from wai_ops.cloudflare.control import ApiAccessError, ApiError
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.core.clock import Clock
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.observe.ingest.counts import GRAPHQL, Newest, ask_analytics, ask_log, midnight
from wai_ops.observe.ingest.pull_source import LogSource
from wai_ops.observe.ingest.windows import Span, at_midnights, subtract, union
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.pull_status import (
    Completeness,
    Count,
    GatewayDay,
    read_completeness,
    store_counts,
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
    """One gateway on one UTC day."""

    day: str = col("Day")
    gateway_id: str = col("Gateway")
    verdict: str = col("Verdict")
    held_count: int = col("Held", Unit.COUNT)
    counted: int | None = col("Counted", Unit.COUNT)
    counted_by: str | None = col("Counted by")
    counted_until: datetime | None = col("Counted until", Unit.TIME)
    gap_count: int | None = col("Gap", Unit.COUNT)
    hole_count: int = col("Holes", Unit.COUNT)
    unread_ratio: float = col("Unread", Unit.RATIO)
    duplicate_count: int = col("Duplicates", Unit.COUNT)
    late_row_count: int = col("Late rows", Unit.COUNT)
    late_field_count: int = col("Late fields", Unit.COUNT)
    pending_count: int = col("Pending", Unit.COUNT)
    without_contract_count: int = col("Without keys", Unit.COUNT)
    reason: str = col("Why")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Which days. Times are aware; None: the last thirty days."""

    since: datetime | None = None
    until: datetime | None = None
    gateway_id: str | None = None
    hold_back_s: float = 120
    fail_incomplete: bool = False


_DAYS = 30


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
        found = read_completeness(connection, days.since, days.until, request.gateway_id)
    newest = now - timedelta(seconds=request.hold_back_s)
    return to_table(found, newest, fail_incomplete=request.fail_incomplete)


def refresh_counts(
    state_dir: Path,
    clock: Clock,
    request: StatusRequest,
    *,
    api: ReadingApi,
    source_of: Callable[[str], LogSource],
    gateway_ids: Sequence[str],
    lag_s: float,
    progress: Progress = ignore_progress,
) -> tuple[str, ...]:
    """Ask the gateway anew and keep what it says. Returns warnings. Raises ApiError, DataError.

    The analytics are asked first; the log itself where they do not answer or disagree.
    """
    now = clock.now()
    whole = days_of(request, now)
    warnings = []
    for gateway_id in gateway_ids:
        with opened(state_dir, clock, progress) as connection:
            found = read_completeness(connection, whole.since, whole.until, gateway_id)
        read = union(Span(*span) for span in found.read.get(gateway_id, []))
        first = whole.since
        if request.since is None:
            known = [midnight(day.day) for day in found.days]
            first = min([*known, *([now] if not known else [])])
        days = [part.since.date() for part in at_midnights(Span(_floor(first), whole.until))]
        newest = Newest(
            analytics=now - timedelta(seconds=lag_s),
            log=now - timedelta(seconds=request.hold_back_s),
            read=read[-1].until if read else None,
        )
        try:
            counts = ask_analytics(api, gateway_id, days, newest=newest, now=now)
        except (ApiAccessError, ApiError) as error:
            warnings.append(f"the analytics did not answer: {error.message}")
            counts = []
        store_counts(state_dir, clock, gateway_id, counts, progress)
        with opened(state_dir, clock, progress) as connection:
            found = read_completeness(connection, whole.since, whole.until, gateway_id)
        listed = [
            count
            for day, until in _in_doubt(days, counts, found.days, newest)
            for count in ask_log(source_of(gateway_id), day, until, now=now)
        ]
        store_counts(state_dir, clock, gateway_id, listed, progress)
    return tuple(warnings)


def _in_doubt(
    days: Sequence[date], counts: Sequence[Count], held: Sequence[GatewayDay], newest: Newest
) -> list[tuple[date, datetime]]:
    """The days that the analytics do not know, or count differently, and until when."""
    untils = {count.day: count.counted_until for count in counts}
    agreed = {
        day.day
        for day in held
        if day.day in untils and day.counted == day.held_until_count and day.counted_by == GRAPHQL
    }
    return [
        (day, untils.get(day) or newest.end_of(day, newest.log))
        for day in days
        if day not in agreed
    ]


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def to_table(
    found: Completeness, newest: datetime, *, fail_incomplete: bool = False
) -> Table[DayStatus]:
    """Judge each day; what is after `newest` was too new to be read. Pure."""
    read = {name: [Span(*span) for span in spans] for name, spans in found.read.items()}
    rows = [_judged(day, read.get(day.gateway_id, []), newest) for day in found.days]
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
    gap = None
    if day.counted is not None and day.held_until_count is not None:
        gap = day.counted - day.held_until_count
    verdict, reason = _verdict(day, gap, holes)
    unread = sum(hole.seconds for hole in holes)
    return DayStatus(
        day=day.day.isoformat(),
        gateway_id=day.gateway_id,
        verdict=verdict.value,
        held_count=day.held_count,
        counted=day.counted,
        counted_by=day.counted_by,
        counted_until=day.counted_until,
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


def _verdict(day: GatewayDay, gap: int | None, holes: Sequence[Span]) -> tuple[DayVerdict, str]:
    if holes:
        first = holes[0]
        return (
            DayVerdict.INCOMPLETE,
            f"not read: {first.since:%H:%M:%S} to {first.until:%H:%M:%S}"
            + (f" and {len(holes) - 1} more" if len(holes) > 1 else ""),
        )
    if day.is_sampled:
        return DayVerdict.UNKNOWN, "the source may have left rows out"
    if gap is None:
        return DayVerdict.UNKNOWN, "nobody was asked: --refresh"
    if not day.is_settled:
        return DayVerdict.UNKNOWN, "the count may still grow"
    if gap > 0:
        if day.listed_count is not None and day.listed_count <= (day.held_until_count or 0):
            return DayVerdict.INCOMPLETE, f"{gap} requests are not in the gateway's log"
        return DayVerdict.INCOMPLETE, f"{gap} rows are missing"
    if day.partial_window_count:
        return DayVerdict.INCOMPLETE, "a window changed while it was read: pull again"
    if gap < 0:
        return DayVerdict.COMPLETE, f"{-gap} rows more than were counted"
    return DayVerdict.COMPLETE, ""


def _notes(days: Sequence[GatewayDay], rows: Sequence[DayStatus]) -> tuple[str, ...]:
    if not rows:
        return ("no gateway log has been pulled or counted in this window; see: wai logs pull",)
    notes = [
        f"{sum(row.verdict == verdict for row in rows)} of {len(rows)} days are {verdict}"
        for verdict in DayVerdict
        if any(row.verdict == verdict for row in rows)
    ]
    if pending := sum(day.pending_count for day in days):
        notes.append(f"{pending} rows lack cost or usage; recent ones are read again by each pull")
    if any(row.gap_count for row in rows if row.counted_by == "graphql"):
        notes.append(
            "the analytics also count requests whose log was not collected, or was deleted since"
        )
    return tuple(notes)
