"""Recorded calls through guards: who would have been refused, and when. Pure.

The rules, as the provider has them: every guard is asked when a call begins, and one that is used
up refuses it; what a call cost counts when it has ended, in the window of that moment, and is seen
`delay_us` later. A refused call costs nothing, so it leaves room for later ones. Money is integer
picodollars and time integer microseconds since 1970: sums are exact, and a million calls take
seconds.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

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


Call = tuple[int, int, int, int, int, Any]
"""Start and end in microseconds since 1970, kind, cost and worst case in picodollars, and what the
caller wants to know it by. The kind says which meters it has to do with. A cost is 0 where the
provider would count nothing: unpriced, unknown. The worst case is what would be reserved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of the calls."""

    refused: list[tuple[int, Meter | None]]
    """Index of a call and the meter that was used up; None: a rule without a limit refused it."""
    saved: int
    """Picodollars that the refused calls had cost."""


def replay(
    calls: Sequence[Call],
    meters_of: Sequence[Sequence[Meter] | None],
    *,
    delay_us: int = 0,
    own_of: Callable[[int, Any], Meter | None] | None = None,
) -> Replayed:
    """Run the calls, which come in the order of their beginnings.

    `own_of(kind, what the caller knows it by)`: a further meter that only some calls of a kind
    share, such as those of one conversation.

    `meters_of[kind]`: the meters of that kind, None: it is refused outright. A meter may be in
    several kinds: they share the budget. Meters keep their counts afterwards.
    """
    refused: list[tuple[int, Meter | None]] = []
    pending: list[tuple[int, int]] = []
    push, pop = heapq.heappush, heapq.heappop
    saved = 0

    def meters_for(kind: int, known_by: Any) -> Sequence[Meter] | None:
        meters = meters_of[kind]
        own = None if own_of is None or meters is None else own_of(kind, known_by)
        return meters if own is None or meters is None else (own, *meters)

    for index, (now, end, kind, cost, worst, known_by) in enumerate(calls):
        while pending and pending[0][0] <= now:
            done = calls[pop(pending)[1]]
            _settle(done, meters_for(done[2], done[5]))
        meters = meters_for(kind, known_by)
        over = None if meters is None else _used_up(meters, now, worst)
        if meters is None or over is not None:
            refused.append((index, over))
            saved += cost
        elif meters:
            for meter in meters:
                if meter.counts_calls:
                    _count(meter, now, 1)
                elif meter.reserves:
                    meter.reserved += worst
            push(pending, (end + delay_us, index))
    while pending:
        done = calls[pop(pending)[1]]
        _settle(done, meters_for(done[2], done[5]))
    return Replayed(refused=refused, saved=saved)


def _used_up(meters: Sequence[Meter], now_us: int, worst: int) -> Meter | None:
    """The first meter that refuses a call."""
    for meter in meters:
        length = meter.length_us
        number = (now_us + meter.offset_us) // length if length else _month(now_us // _DAY_US)
        # Most calls fall into the window that runs already.
        if number == meter.number and not meter.is_sliding:
            spent = meter.current
        else:
            spent = _spent(meter, number, now_us)
        if meter.reserves:
            spent += meter.reserved + worst - 1
        if spent >= meter.limit:
            meter.refused_count += 1
            if meter.first_refused_us is None:
                meter.first_refused_us = now_us
            return meter
    return None


def _settle(call: Call, meters: Sequence[Meter] | None) -> None:
    _, end, _, cost, worst, _ = call
    for meter in meters or ():
        if meter.counts_calls:
            continue
        if meter.reserves:
            meter.reserved -= worst
        _count(meter, end, cost)


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


def _spent(meter: Meter, number: int, now_us: int) -> int:
    """What counts against the limit now, in the window of that number."""
    if number == meter.number:
        current, previous = meter.current, meter.previous
    elif number == meter.number + 1:
        current, previous = 0, meter.current
    else:
        return 0
    if not meter.is_sliding or not previous:
        return current
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
