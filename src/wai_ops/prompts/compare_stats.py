"""How sure a difference between two versions is, on the same cases. Pure numbers.

Pass rates: the exact McNemar test (a sign test on the cases that differ) and the interval of
Bonett and Price for paired proportions. Means of cost and latency: the BCa bootstrap of the paired
differences while there are few, with a fixed seed, and Student's interval when there are many.
"""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
FEWEST = 5
"""Fewer pairs give no interval."""
MANY = 200
"""From here on Student's interval, which skewness no longer bends."""
RESAMPLES = 2000
SEED = 20_260_101
_NORMAL = statistics.NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A difference (B minus A) with its interval; None where there are too few pairs."""

    difference: float
    low: float | None
    high: float | None
    method: str
    n: int

    @property
    def is_above(self) -> bool:
        """The whole interval lies above zero."""
        return self.low is not None and self.low > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRates:
    """How often each side passed, on the same cases."""

    n: int
    both: int
    only_a: int
    only_b: int
    interval: Interval
    p_value: float
    """That so one-sided a split of the cases that differ is chance."""

    @property
    def rate_a(self) -> float:
        """The share that passed with A."""
        return (self.both + self.only_a) / self.n

    @property
    def rate_b(self) -> float:
        """The share that passed with B."""
        return (self.both + self.only_b) / self.n

    @property
    def is_worse(self) -> bool:
        """B passes less often, and that is not chance."""
        return self.only_a > self.only_b and self.p_value < 1 - CONFIDENCE


def pass_rates(pairs: Sequence[tuple[bool, bool]]) -> PassRates:
    """Compare pass rates; `pairs` holds (A passed, B passed), at least one."""
    n = len(pairs)
    only_a = sum(a and not b for a, b in pairs)
    only_b = sum(b and not a for a, b in pairs)
    return PassRates(
        n=n,
        both=sum(a and b for a, b in pairs),
        only_a=only_a,
        only_b=only_b,
        interval=_paired_proportions(n, only_a, only_b),
        p_value=mcnemar_exact(only_a, only_b),
    )


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """The two-sided exact p-value of McNemar's test: a fair coin for every case that differs."""
    n = only_a + only_b
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    # Whole numbers up to the division: 2 ** n is beyond floats from a thousand cases on.
    return min(1.0, 2 * tail / 2**n) if n < 1000 else min(1.0, _ratio(2 * tail, 2**n))


def _ratio(part: int, whole: int) -> float:
    shift = max(0, whole.bit_length() - 1000)
    return (part >> shift) / (whole >> shift)


def _paired_proportions(n: int, only_a: int, only_b: int) -> Interval:
    """Bonett and Price (2012): two cases are added, one to each side that differs."""
    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    lost, won = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    centre = won - lost
    half = z * math.sqrt(max(0.0, won + lost - centre**2) / (n + 2))
    is_enough = n >= FEWEST
    return Interval(
        difference=(only_b - only_a) / n,
        low=max(-1.0, centre - half) if is_enough else None,
        high=min(1.0, centre + half) if is_enough else None,
        method="Bonett-Price; exact McNemar",
        n=n,
    )


def mean_difference(pairs: Sequence[tuple[float, float]]) -> Interval:
    """The mean of B minus A over the pairs, at least one, with its interval."""
    differences = [b - a for a, b in pairs]
    n = len(differences)
    mean = statistics.fmean(differences)
    if n < FEWEST:
        return Interval(difference=mean, low=None, high=None, method="too few cases", n=n)
    if n >= MANY:
        half = _student(n - 1) * statistics.stdev(differences) / math.sqrt(n)
        return Interval(difference=mean, low=mean - half, high=mean + half, method="Student", n=n)
    low, high = _bca(differences, mean)
    return Interval(difference=mean, low=low, high=high, method="BCa bootstrap", n=n)


def _student(degrees: int) -> float:
    """The two-sided quantile of Student's t by its expansion: right to five digits from 100 on."""
    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def _bca(values: Sequence[float], mean: float) -> tuple[float, float]:
    """The bias-corrected and accelerated bootstrap interval of the mean (Efron 1987)."""
    if min(values) == max(values):
        return mean, mean
    values = sorted(values)  # or the order in which answers came would decide what is drawn
    n = len(values)
    rng = random.Random(SEED)  # noqa: S311 - resampling, and the same every time
    means = sorted(statistics.fmean(rng.choices(values, k=n)) for _ in range(RESAMPLES))
    below = sum(item < mean for item in means) + sum(item == mean for item in means) / 2
    bias = _NORMAL.inv_cdf(min(max(below / RESAMPLES, 1 / RESAMPLES), 1 - 1 / RESAMPLES))
    total = sum(values)
    left_out = [(total - value) / (n - 1) for value in values]
    centre = statistics.fmean(left_out)
    spread = sum((centre - item) ** 2 for item in left_out)
    skew = sum((centre - item) ** 3 for item in left_out)
    acceleration = skew / (6 * spread**1.5) if spread > 0 else 0.0

    def quantile(share: float) -> float:
        z = bias + _NORMAL.inv_cdf(share)
        moved = _NORMAL.cdf(bias + z / (1 - acceleration * z))
        return means[min(RESAMPLES - 1, max(0, round(moved * RESAMPLES - 0.5)))]

    return quantile((1 - CONFIDENCE) / 2), quantile((1 + CONFIDENCE) / 2)
