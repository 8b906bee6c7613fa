"""Amounts counted over windows of time: what spend limits and the rate nodes of routes share.

Windows are lengths of time, aligned to the epoch: 60 seconds is the minute of the clock. A fixed
window forgets at its end. A sliding one is no true rolling sum either: it is the running window
plus the one before it, weighted by how much of that one still lies within the length.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

Technique = Literal["fixed", "sliding"]
Key = tuple[str, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ZERO = Decimal(0)
_SWEEP_FROM = 1024
"""Below this many counters nothing is swept."""

T = TypeVar("T")


def epoch_us(at: datetime) -> int:
    """Whole microseconds since the epoch."""
    return (at - _EPOCH) // _MICROSECOND


class Delayed(Generic[T]):
    """Things that become true only later, in the order in which they do."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._heap: list[tuple[int, int, T]] = []
        self._order = 0

    def add(self, item: T, due: datetime) -> None:
        """Let `item` be due at that time."""
        self._order += 1
        heapq.heappush(self._heap, (epoch_us(due), self._order, item))

    def take_due(self, now: datetime) -> list[T]:
        """What is due by now; it is given out once."""
        due = []
        now_us = epoch_us(now)
        while self._heap and self._heap[0][0] <= now_us:
            due.append(heapq.heappop(self._heap)[2])
        return due

    def waiting(self) -> list[T]:
        """All that is not given out yet."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2])]


@dataclass(slots=True)
class _Counter:
    """The running window of one key, by its number since the epoch, and the one before it."""

    number: int
    current: Decimal = _ZERO
    previous: Decimal = _ZERO

    def seen_from(self, number: int) -> tuple[Decimal, Decimal]:
        """(current, previous) as they are in window `number`."""
        if number == self.number:
            return self.current, self.previous
        if number == self.number + 1:
            return _ZERO, self.current
        return _ZERO, _ZERO

    def add(self, number: int, amount: Decimal) -> None:
        """Count in window `number`, unless it is older than the two that are kept."""
        if number > self.number:
            self.current, self.previous = self.seen_from(number)
            self.number = number
        if number == self.number:
            self.current += amount
        elif number == self.number - 1:
            self.previous += amount


@dataclass(frozen=True, slots=True)
class _Booking:
    """An amount that belongs to a window and is not seen yet."""

    key: Key
    window_s: int
    number: int
    amount: Decimal


@dataclass(slots=True)
class WindowCounters:
    """One counter for each (key, window length). Memory is two amounts a key in use."""

    _counters: dict[tuple[Key, int], _Counter] = field(default_factory=dict)
    _delayed: Delayed[_Booking] = field(default_factory=Delayed)
    _sweep_at: int = _SWEEP_FROM

    def add(
        self, key: Key, window_s: int, amount: Decimal, now: datetime, *, delay_s: float = 0.0
    ) -> None:
        """Count an amount in the window that runs now; it is seen `delay_s` later."""
        booking = _Booking(key, window_s, _number(now, window_s), amount)
        if delay_s > 0:
            self._delayed.add(booking, now + timedelta(seconds=delay_s))
            return
        self._book(booking)
        if len(self._counters) >= self._sweep_at:
            self._sweep(now)

    def spent(self, key: Key, window_s: int, technique: Technique, now: datetime) -> Decimal:
        """What counts against a limit now."""
        for booking in self._delayed.take_due(now):
            self._book(booking)
        counter = self._counters.get((key, window_s))
        if counter is None:
            return _ZERO
        now_us, window_us = epoch_us(now), window_s * 1_000_000
        current, previous = counter.seen_from(now_us // window_us)
        if technique == "fixed" or not previous:
            return current
        left = Decimal(window_us - now_us % window_us) / Decimal(window_us)
        return current + previous * left

    def snapshot(self) -> list[list[Any]]:
        """All counters as JSON can hold them. What is still delayed is taken as seen."""
        copy = WindowCounters()
        copy.restore(self._rows())
        for booking in self._delayed.waiting():
            copy._book(booking)
        return copy._rows()

    def restore(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take back what `snapshot` gave, in place of what is counted now."""
        self._delayed = Delayed()
        self._counters = {
            (tuple(key), int(window_s)): _Counter(int(number), Decimal(current), Decimal(previous))
            for key, window_s, number, current, previous in rows
        }
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._counters))

    def _rows(self) -> list[list[Any]]:
        return [
            [list(key), window_s, counter.number, str(counter.current), str(counter.previous)]
            for (key, window_s), counter in self._counters.items()
        ]

    def _book(self, booking: _Booking) -> None:
        place = (booking.key, booking.window_s)
        counter = self._counters.get(place)
        if counter is None:
            counter = self._counters[place] = _Counter(booking.number)
        counter.add(booking.number, booking.amount)

    def _sweep(self, now: datetime) -> None:
        """Forget the keys that no window counts any more."""
        self._counters = {
            (key, window_s): counter
            for (key, window_s), counter in self._counters.items()
            if counter.number >= _number(now, window_s) - 1
        }
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._counters))


def _number(now: datetime, window_s: int) -> int:
    return epoch_us(now) // (window_s * 1_000_000)
