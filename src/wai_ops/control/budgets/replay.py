"""Recorded calls through guards: who would have been refused, and when. Pure.

The rules, as the provider has them: every guard is asked when a call begins, and one that is used
up refuses it; what a call cost counts when it has ended, in the window of that moment, and is seen
`delay_us` later. A refused call costs nothing, so it leaves room for later ones. Money is integer
picodollars and time integer microseconds since 1970: sums are exact, and a million calls take
seconds.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

PICO = 10**12
"""Picodollars in a dollar."""
_S = 1_000_000
_DAY_US = 86_400 * _S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(Enum):
    """A window: its length, and how far before 1970 one of them began, both in microseconds."""

    HOURLY = (3600 * _S, 0)
    DAILY = (_DAY_US, 0)
    WEEKLY = (7 * _DAY_US, 3 * _DAY_US)
    """1970 began on a Thursday; weeks begin on Mondays."""
    MONTHLY = (0, 0)
    """Of the calendar: no fixed length."""


@dataclass(slots=True)
class Meter:
    """What one bucket of one guard has counted: the running window, and the one before it."""

    guard: str
    bucket: str
    limit: int
    """Picodollars, or calls where `counts_calls`."""
    length_us: int
    """0: months of the calendar."""
    offset_us: int = 0
    is_sliding: bool = False
    counts_calls: bool = False
    """Counted when a call begins, unlike money."""
    reserves: bool = False
    """The worst case of a call is set aside before it begins: what `wai` itself does."""
    reserved: int = 0
    number: int = -1
    current: int = 0
    previous: int = 0
    refused_count: int = 0
    first_refused_us: int | None = None
    most: int = 0
    """The most that a window had counted."""


@dataclass(slots=True)
class Calls:
    """The calls in the order of their beginnings, as parallel lists."""

    starts_us: list[int] = field(default_factory=list)
    ends_us: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    """Which meters a call has to do with: an index into what `replay` is given."""
    costs: list[int] = field(default_factory=list)
    """Picodollars; 0 where the provider would count nothing: unpriced, unknown."""
    worsts: list[int] = field(default_factory=list)
    """Picodollars that would be reserved for each; empty: as many as it cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of the calls."""

    refused: list[tuple[int, Meter | None]]
    """Index of a call and the meter that was used up; None: a rule without a limit refused it."""
    saved: int
    """Picodollars that the refused calls had cost."""


def replay(
    calls: Calls,
    meters_of: Sequence[Sequence[Meter] | None],
    *,
    delay_us: int = 0,
) -> Replayed:
    """Run the calls. `meters_of[kind]`: the meters of that kind, None: it is refused outright.

    A meter may be in several kinds: they share the budget. Meters keep their counts afterwards.
    """
    refused: list[tuple[int, Meter | None]] = []
    pending: list[tuple[int, int]] = []
    starts, ends, kinds, costs = calls.starts_us, calls.ends_us, calls.kinds, calls.costs
    worsts = calls.worsts or costs
    push, pop = heapq.heappush, heapq.heappop
    saved = 0
    for index, now in enumerate(starts):
        while pending and pending[0][0] <= now:
            _, done = pop(pending)
            _settle(meters_of[kinds[done]], ends[done], costs[done], worsts[done])
        meters = meters_of[kinds[index]]
        over = None if meters is None else _used_up(meters, now, worsts[index])
        if meters is None or over is not None:
            refused.append((index, over))
            saved += costs[index]
        elif meters:
            _admit(meters, now, worsts[index])
            push(pending, (ends[index] + delay_us, index))
    while pending:
        _, done = pop(pending)
        _settle(meters_of[kinds[done]], ends[done], costs[done], worsts[done])
    return Replayed(refused=refused, saved=saved)


def _used_up(meters: Sequence[Meter], now_us: int, worst: int) -> Meter | None:
    """The first meter that refuses a call."""
    for meter in meters:
        spent = _spent(meter, now_us)
        if (
            spent >= meter.limit
            if not meter.reserves
            else spent + meter.reserved + worst > meter.limit
        ):
            meter.refused_count += 1
            if meter.first_refused_us is None:
                meter.first_refused_us = now_us
            return meter
    return None


def _admit(meters: Sequence[Meter], now_us: int, worst: int) -> None:
    for meter in meters:
        if meter.counts_calls:
            _count(meter, now_us, 1)
        elif meter.reserves:
            meter.reserved += worst


def _settle(meters: Sequence[Meter] | None, end_us: int, cost: int, worst: int) -> None:
    for meter in meters or ():
        if meter.counts_calls:
            continue
        if meter.reserves:
            meter.reserved -= worst
        _count(meter, end_us, cost)


def _number(meter: Meter, at_us: int) -> int:
    if meter.length_us:
        return (at_us + meter.offset_us) // meter.length_us
    return _month(at_us // _DAY_US)


_MONTHS: dict[int, int] = {}


def _month(day: int) -> int:
    """Months since year 0 of a day since 1970."""
    found = _MONTHS.get(day)
    if found is None:
        at = _EPOCH + timedelta(days=day)
        found = _MONTHS[day] = at.year * 12 + at.month
    return found


def _spent(meter: Meter, now_us: int) -> int:
    """What counts against the limit now."""
    number = _number(meter, now_us)
    if number == meter.number:
        if not meter.is_sliding or not meter.previous:
            return meter.current
        current, previous = meter.current, meter.previous
    elif number == meter.number + 1 and meter.is_sliding:
        current, previous = 0, meter.current
    else:
        return 0
    left = meter.length_us - (now_us + meter.offset_us) % meter.length_us
    # Rounded up, so that a limit is not passed by what rounding lost.
    return current - (-previous * left // meter.length_us)


def _count(meter: Meter, at_us: int, amount: int) -> None:
    number = _number(meter, at_us)
    if number > meter.number:
        meter.previous = meter.current if number == meter.number + 1 else 0
        meter.number, meter.current = number, 0
    if number == meter.number:
        meter.current += amount
        meter.most = max(meter.most, meter.current)
    elif number == meter.number - 1:
        meter.previous += amount


def epoch_us(at: datetime) -> int:
    """Whole microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_us(at_us: int) -> datetime:
    """The time of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def to_pico(usd: Decimal) -> int:
    """Dollars to picodollars, rounded to the nearest."""
    return int((usd * PICO).to_integral_value())


def from_pico(amount: int) -> Decimal:
    """Picodollars to dollars."""
    return Decimal(amount) / PICO


def in_order(rows: Iterable[tuple[int, int, int, int]]) -> Calls:
    """Calls of (start, end, kind, cost) rows, sorted by start."""
    calls = Calls()
    for start, end, kind, cost in sorted(rows):
        calls.starts_us.append(start)
        calls.ends_us.append(end)
        calls.kinds.append(kind)
        calls.costs.append(cost)
    return calls
