"""When a budget will be used up: an interval, from how it was spent before. Pure.

The method is a bootstrap. Past spending is cut into steps: 5 minutes for hourly windows, hours for
daily ones, days for weekly and monthly ones. The rest of the window is filled a thousand times with
steps drawn from the past: hours from the same hour of the day, days from working days or weekends,
where at least six of them are known, else from all. Each time the past itself is drawn anew first,
so that a short or uneven one gives a wide interval. What the thousand futures come to gives it: of
ten futures, eight lie in it. Drawn with a fixed seed for each bucket: the same past gives the same
answer.

It knows nothing of what has not happened before: growth, releases, holidays. With too short a past
there is no forecast.
"""

import hashlib
import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from wai_ops.config.budget_settings import BudgetSettings, BudgetWindow
from wai_ops.control.budgets.windows import length_of, running_until

PATHS = 1000
LOW, MIDDLE, HIGH = 0.08, 0.5, 0.92
"""A little wider than eight of ten futures: measured on made-up pasts of four weeks, eight of ten
windows end inside of it."""
_ALIKE = 6
"""So many steps of the same hour, or of working days or weekends, are enough by themselves."""
_SATURDAY = 5
STEP_S: Mapping[BudgetWindow, int] = {
    BudgetWindow.HOURLY: 300,
    BudgetWindow.DAILY: 3600,
    BudgetWindow.WEEKLY: 86_400,
    BudgetWindow.MONTHLY: 86_400,
}
LEAST_STEPS: Mapping[BudgetWindow, int] = {
    BudgetWindow.HOURLY: 36,
    BudgetWindow.DAILY: 24,
    BudgetWindow.WEEKLY: 7,
    BudgetWindow.MONTHLY: 7,
}
"""Whole steps that a past must have: three hours, a day, a week."""
_DIGITS = Decimal("0.000001")
_ALL = -1
"""The kind of a step that has too few of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a thousand futures of one bucket come to. Times None: not before the horizon."""

    horizon_at: datetime
    """The end of the window; of one that rolls, its length from now."""
    step_count: int
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal
    """What the window will have counted at the horizon: about 1 in 10 has less than the low, and 1
    in 10 more than the high."""
    probability_ratio: float
    """The share of the futures that reach the limit before the horizon."""
    earliest_at: datetime | None
    exhausted_at: datetime | None
    """The middle of the futures."""
    latest_at: datetime | None


@dataclass(frozen=True, slots=True)
class TooLittle:
    """There is no forecast, and why."""

    reason: str


def forecast(
    budget: BudgetSettings,
    past: Mapping[datetime, Decimal],
    spent_usd: Decimal,
    now: datetime,
    *,
    name: str,
) -> Forecast | TooLittle:
    """Forecast one bucket. `past`: beginning of a step (aware, UTC) -> what was spent in it.

    Steps that are left out between the first and now were free. `spent_usd` is what the running
    window has counted. `name` gives the seed.
    """
    step_s = STEP_S[budget.window]
    history = _history(past, now, step_s)
    least = LEAST_STEPS[budget.window]
    if len(history) < least:
        return TooLittle(
            f"{len(history)} whole steps of {_words(step_s)} are known, {least} needed"
        )
    horizon = running_until(budget, now) or now + length_of(budget)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    rng = random.Random(seed)  # noqa: S311 - a forecast, not a secret
    futures = _Futures(budget, history, float(spent_usd), now, horizon, rng)
    ends, crossings = futures.run()
    ends.sort()
    crossings.sort()
    return Forecast(
        horizon_at=horizon,
        step_count=len(history),
        low_usd=_usd(ends, LOW),
        expected_usd=_usd(ends, MIDDLE),
        high_usd=_usd(ends, HIGH),
        probability_ratio=sum(map(math.isfinite, crossings)) / PATHS,
        earliest_at=_time(now, crossings, LOW),
        exhausted_at=_time(now, crossings, MIDDLE),
        latest_at=_time(now, crossings, HIGH),
    )


def _history(
    past: Mapping[datetime, Decimal], now: datetime, step_s: int
) -> list[tuple[datetime, float]]:
    """Whole steps from the second one with spending on: the first may have begun in the middle."""
    spent = sorted(at for at, usd in past.items() if usd > 0)
    if not spent:
        return []
    step = timedelta(seconds=step_s)
    current = _step_of(now, step_s)
    found = []
    at = spent[0] + step
    while at < current:
        found.append((at, float(past.get(at, 0))))
        at += step
    return found


def _step_of(at: datetime, step_s: int) -> datetime:
    since = at.timestamp() // step_s * step_s
    return datetime.fromtimestamp(since, at.tzinfo)


class _Futures:
    """A thousand ways in which the rest of a window may be spent. Floats: it is a guess anyhow."""

    def __init__(  # noqa: PLR0917 - the state of one draw
        self,
        budget: BudgetSettings,
        history: list[tuple[datetime, float]],
        spent: float,
        now: datetime,
        horizon: datetime,
        rng: random.Random,
    ) -> None:
        self._limit = float(budget.limit_usd)
        self._spent = spent
        self._rng = rng
        self._now = now
        step_s = STEP_S[budget.window]
        self._steps = list(_ahead(now, horizon, step_s))
        everything = [usd for _, usd in history]
        alike: dict[int, list[float]] = defaultdict(list)
        for at, usd in history:
            alike[_likeness(at, step_s)].append(usd)
        self._pools = {kind: pool for kind, pool in alike.items() if len(pool) >= _ALIKE}
        self._pools[_ALL] = everything
        kinds = [_likeness(at, step_s) for at, _, _ in self._steps]
        self._kinds = [kind if kind in self._pools else _ALL for kind in kinds]
        self._leaving = self._what_leaves(budget, history, step_s)

    def _what_leaves(
        self, budget: BudgetSettings, history: list[tuple[datetime, float]], step_s: int
    ) -> Sequence[float]:
        """Of a window that rolls: what falls out of it with each step ahead; zeros otherwise."""
        if running_until(budget, self._now) is not None:
            return [0.0] * len(self._steps)
        known = dict(history)
        length = length_of(budget)
        return [
            known.get(_step_of(at - length, step_s), 0.0) * share for at, share, _ in self._steps
        ]

    def run(self) -> tuple[list[float], list[float]]:
        """Each future: what the window counts at its end, and the seconds until the limit.

        Infinite seconds: it is not reached.
        """
        rng, draw = self._rng, self._rng.random
        ends, crossings = [], []
        for _ in range(PATHS):
            total, crossed = self._spent, 0.0 if self._spent >= self._limit else math.inf
            pools = {kind: rng.choices(pool, k=len(pool)) for kind, pool in self._pools.items()}
            for (_, share, after_s), kind, leaves in zip(
                self._steps, self._kinds, self._leaving, strict=True
            ):
                before = total
                pool = pools[kind]
                total += pool[int(draw() * len(pool))] * share - leaves
                if total >= self._limit and crossed == math.inf:
                    part = (self._limit - before) / (total - before) if total > before else 0.0
                    begin, end = after_s
                    crossed = begin + part * (end - begin)
            ends.append(total)
            crossings.append(crossed)
        return ends, crossings


def _ahead(
    now: datetime, horizon: datetime, step_s: int
) -> "list[tuple[datetime, float, tuple[float, float]]]":
    """The steps to come: beginning, share that lies ahead, begin and end in seconds from now."""
    found = []
    at, step = _step_of(now, step_s), timedelta(seconds=step_s)
    while at < horizon:
        begin, end = max(at, now), min(at + step, horizon)
        seconds = (end - begin).total_seconds()
        if seconds > 0:
            after = (begin - now).total_seconds()
            found.append((at, seconds / step_s, (after, after + seconds)))
        at += step
    return found


def _likeness(at: datetime, step_s: int) -> int:
    """The same number: alike. Five minutes are all alike."""
    if step_s == STEP_S[BudgetWindow.DAILY]:
        return at.hour
    return int(at.weekday() >= _SATURDAY) if step_s == STEP_S[BudgetWindow.MONTHLY] else 0


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def _usd(values: list[float], share: float) -> Decimal:
    return Decimal(repr(max(0.0, _at(values, share)))).quantize(_DIGITS)


def _time(now: datetime, crossings: list[float], share: float) -> datetime | None:
    seconds = _at(crossings, share)
    return now + timedelta(seconds=round(seconds)) if math.isfinite(seconds) else None


def _words(step_s: int) -> str:
    return {300: "5 minutes", 3600: "an hour", 86_400: "a day"}[step_s]
