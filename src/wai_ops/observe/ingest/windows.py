"""Which stretches of time to read next: pure arithmetic over half-open intervals of UTC time.

Small closed windows make a pull resumable and keep pages shallow; how long "small" is follows from
how many rows came lately. No window crosses midnight (UTC), so that days can be told apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SHORTEST = timedelta(milliseconds=1)
LONGEST = timedelta(days=1)
_GROWTH = 4.0
"""A window is at most so many times as long as the one before: quiet hours end suddenly."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The half-open interval [since, until), aware, UTC."""

    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.until - self.since).total_seconds()

    def contains(self, at: datetime) -> bool:
        """Whether an instant lies within."""
        return self.since <= at < self.until

    def overlaps(self, other: "Span") -> bool:
        """Whether they share an instant."""
        return self.since < other.until and other.since < self.until


def union(spans: Iterable[Span]) -> list[Span]:
    """The same instants as few spans, in order; those that touch become one."""
    joined: list[Span] = []
    for span in sorted(item for item in spans if item.since < item.until):
        if joined and span.since <= joined[-1].until:
            joined[-1] = Span(joined[-1].since, max(joined[-1].until, span.until))
        else:
            joined.append(span)
    return joined


def subtract(whole: Span, taken: Iterable[Span]) -> list[Span]:
    """What of `whole` is in none of `taken`, in order."""
    left: list[Span] = []
    since = whole.since
    for span in union(taken):
        if span.until <= since:
            continue
        if span.since >= whole.until:
            break
        if span.since > since:
            left.append(Span(since, span.since))
        since = max(since, span.until)
    if since < whole.until:
        left.append(Span(since, whole.until))
    return left


def at_midnights(span: Span) -> list[Span]:
    """The span cut where days begin."""
    parts, since = [], span.since
    while since < span.until:
        until = min(span.until, _next_midnight(since))
        parts.append(Span(since, until))
        since = until
    return parts


def halves(span: Span) -> tuple[Span, Span] | None:
    """Two spans that are the same instants; None when it cannot be cut any more."""
    middle = span.since + (span.until - span.since) / 2
    middle -= (middle - _EPOCH) % SHORTEST
    if not span.since < middle < span.until:
        return None
    return Span(span.since, middle), Span(middle, span.until)


class Planner:
    """Hands out windows of about `target_rows` rows until everything was handed out.

    Every instant of `gaps` and `again` is handed out exactly once, unless it is given back.
    """

    def __init__(
        self,
        gaps: Sequence[Span],
        *,
        again: Sequence[Span] = (),
        target_rows: int,
        rows_per_s: float | None = None,
    ) -> None:
        """Plan `again`, then `gaps`, in their order; they share no instant.

        No window holds both, so that what is new in one that was read before can be told to be
        late. `rows_per_s` is a first guess.
        """
        wholes = [*union(again), *union(gaps)]
        self._gaps = [part for gap in wholes for part in at_midnights(gap)]
        self._gaps.reverse()  # the next one is the last
        self._target = target_rows
        self._rows_per_s = rows_per_s
        self._last_s = 300.0 if rows_per_s is None else LONGEST.total_seconds() / _GROWTH

    @property
    def remaining_s(self) -> float:
        """Seconds of log time that were not handed out yet."""
        return sum(gap.seconds for gap in self._gaps)

    def take(self) -> Span | None:
        """The next window; None when there is none."""
        if not self._gaps:
            return None
        gap = self._gaps.pop()
        until = gap.since + self._length()
        # A rest that is shorter than half a window would only cost another request.
        if until + self._length() / 2 >= gap.until:
            return gap
        self._gaps.append(Span(until, gap.until))
        return Span(gap.since, until)

    def observe(self, span: Span, row_count: int) -> None:
        """Learn how many rows a window had."""
        rate = row_count / max(span.seconds, 0.001)
        # Half the news, half the past: neither one burst nor one quiet minute decides alone.
        self._rows_per_s = rate if self._rows_per_s is None else (rate + self._rows_per_s) / 2
        self._last_s = span.seconds

    def give_back(self, spans: Iterable[Span]) -> None:
        """Hand these out again, before all others."""
        self._gaps += sorted(spans, reverse=True)

    def split(self, span: Span, row_count: int) -> bool:
        """Take back a window that has too many rows, in smaller parts; False if it has none."""
        if (parts := halves(span)) is None:
            return False
        self._rows_per_s = row_count / max(span.seconds, 0.001)
        self._last_s = span.seconds / 2
        self.give_back(parts)
        return True

    def _length(self) -> timedelta:
        longest = min(LONGEST.total_seconds(), self._last_s * _GROWTH)
        if self._rows_per_s is not None and self._rows_per_s > 0:
            longest = min(longest, self._target / self._rows_per_s)
        if longest >= 1:
            return timedelta(seconds=int(longest))
        return max(SHORTEST, timedelta(milliseconds=int(longest * 1000)))


def _next_midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
