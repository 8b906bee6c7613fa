"""What a pull has to read: pure decisions from what was read before.

Three reasons to read a stretch of time: it was never read; a reading of it began too soon after its
end for late rows to be there; rows in it still lack cost or usage. The second and third come back
at growing intervals, and the second costs one request, unless the count shows that rows came late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wai_ops.observe.ingest.windows import Span, at_midnights, subtract, union
from wai_ops.observe.ledger.pull_windows import KnownWindow
from wai_ops.observe.ledger.pulls import PullState

FIRST_PULL = timedelta(days=7)
"""How far a pull without `--since` goes back when nothing was pulled before."""
_PATIENCE = 4
"""A window is read again when it is so many times as old as it was at its last reading."""
_SOONEST_S = 120.0
_CHECK_WIDTH = timedelta(hours=6)
"""Of neighbours that are checked with one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullLimits:
    """Seconds, as in `LogsSettings`."""

    hold_back_s: float
    settle_s: float
    pending_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be read."""

    whole: Span
    gaps: Sequence[Span]
    """Never read."""
    pending: Sequence[Span]
    """To be read again for fields that were missing."""
    unsettled: Sequence[Span]
    """To be counted again for rows that came late."""


def whole_span(
    since: datetime | None,
    until: datetime | None,
    *,
    state: PullState,
    now: datetime,
    limits: PullLimits,
) -> Span | None:
    """The stretch that a pull is about; None when all of it is too new to be read."""
    newest = now - timedelta(seconds=limits.hold_back_s)
    end = newest if until is None else min(until, newest)
    start = since
    if start is None:
        start = _midnight(now - FIRST_PULL) if state.mark is None else state.mark[0]
    return Span(start, end) if start < end else None


def plan_pull(
    whole: Span, *, state: PullState, now: datetime, limits: PullLimits, again: bool = False
) -> Plan:
    """Decide what of `whole` is to be read. `again`: all of it, whatever was read before."""
    known = [Span(item.since, item.until) for item in state.windows]
    if again:
        return Plan(whole=whole, gaps=at_midnights(whole), pending=(), unsettled=())
    within = [item for item in state.windows if item.since < whole.until]
    within = [item for item in within if item.until > whole.since]
    pending = [item for item in within if _is_pending(item, now, limits)]
    taken = {id(item) for item in pending}
    unsettled = [
        item for item in within if id(item) not in taken and _is_unsettled(item, now, limits)
    ]
    return Plan(
        whole=whole,
        gaps=subtract(whole, known),
        pending=_joined(pending),
        unsettled=_joined(unsettled),
    )


def _midnight(at: datetime) -> datetime:
    """Whole days can be proven complete."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _is_pending(item: KnownWindow, now: datetime, limits: PullLimits) -> bool:
    old = (now - item.until).total_seconds()
    return item.pending_count > 0 and old <= limits.pending_s and _is_due(item, now)


def _is_unsettled(item: KnownWindow, now: datetime, limits: PullLimits) -> bool:
    if _age_at_reading(item) >= limits.settle_s and _is_whole(item):
        return False
    old = (now - item.until).total_seconds()
    return old >= limits.settle_s or _is_due(item, now)


def _is_whole(item: KnownWindow) -> bool:
    """Whether the last reading saw as many rows as the source counted."""
    return item.reported_count is None or item.row_count >= item.reported_count


def _is_due(item: KnownWindow, now: datetime) -> bool:
    old = (now - item.until).total_seconds()
    return old >= max(_SOONEST_S, _PATIENCE * _age_at_reading(item))


def _age_at_reading(item: KnownWindow) -> float:
    return (item.pulled_at - item.until).total_seconds()


def _joined(windows: Sequence[KnownWindow]) -> list[Span]:
    """The same time in few spans that are neither too wide nor over midnight."""
    spans = []
    for whole in union(Span(item.since, item.until) for item in windows):
        for part in at_midnights(whole):
            edges = sorted({w.until for w in windows if part.since < w.until <= part.until})
            since = part.since
            for place, edge in enumerate(edges):
                is_last = place + 1 == len(edges)
                if is_last or edges[place + 1] - since > _CHECK_WIDTH:
                    spans.append(Span(since, edge))
                    since = edge
    return spans
