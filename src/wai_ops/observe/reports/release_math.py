"""Intervals for two groups of conversations: shares, means and quantiles, and how they differ.

Calls within one conversation resemble each other, so conversations are what is counted: variances
come from sums over conversations (a ratio of two sums, linearised). Shares get Wilson's interval at
the number of independent calls that this variance amounts to, and quantiles the order statistics
at that interval around 95% (Woodruff); differences are put together from the two groups' own
intervals (Newcombe). Means are compared by their ratio, on a logarithmic scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log, sqrt
from statistics import NormalDist

QUANTILE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over conversations: of x, what is divided by, of y, and of their products.

    Only conversations with x above 0 are in it.
    """

    unit_count: int
    x: float
    y: float
    xx: float
    xy: float
    yy: float

    def times(self, factor: float) -> "Sums":
        """The same with so many times as many conversations of the same kinds."""
        return Sums(
            unit_count=round(self.unit_count * factor),
            x=self.x * factor,
            y=self.y * factor,
            xx=self.xx * factor,
            xy=self.xy * factor,
            yy=self.yy * factor,
        )

    @property
    def ratio(self) -> float | None:
        """All y over all x: the mean of a call, or the share of calls."""
        return self.y / self.x if self.x > 0 else None

    @property
    def variance(self) -> float:
        """Of the ratio, from how much the conversations differ."""
        if self.unit_count < 2 or self.x <= 0:
            return 0.0
        ratio = self.y / self.x
        squares = self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx
        scale = self.unit_count / (self.unit_count - 1)
        return max(squares, 0.0) * scale / (self.x * self.x)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How something differs between two groups, with the ends of its interval."""

    value: float
    low: float
    high: float


@cache
def critical(unit_count: int, level: float) -> float:
    """Student's two-sided critical value for so many conversations, by its expansion."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    free = max(unit_count - 1, 1)
    first = (z**3 + z) / (4 * free)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free * free)


def share_change(old: Sums, new: Sums, level: float) -> Change | None:
    """The difference of two shares, new minus old; None where one of them has nothing in it."""
    before, after = old.ratio, new.ratio
    if before is None or after is None:
        return None
    z = critical(min(old.unit_count, new.unit_count), level)
    old_low, old_high = _wilson(before, _independent(old), z)
    new_low, new_high = _wilson(after, _independent(new), z)
    value = after - before
    return Change(
        value=value,
        low=value - sqrt((after - new_low) ** 2 + (old_high - before) ** 2),
        high=value + sqrt((new_high - after) ** 2 + (before - old_low) ** 2),
    )


def mean_change(old: Sums, new: Sums, level: float) -> Change | None:
    """The relative change of a mean; None where there is nothing, or nothing but zeros."""
    before, after = old.ratio, new.ratio
    if not before or not after or before < 0 or after < 0:
        return None
    z = critical(min(old.unit_count, new.unit_count), level)
    spread = z * sqrt(old.variance / before**2 + new.variance / after**2)
    ratio = log(after / before)
    return Change(value=exp(ratio) - 1, low=_grown(ratio - spread), high=_grown(ratio + spread))


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A histogram, and per conversation how many calls lie above its 95% quantile (y) of how many
    (x).
    """

    values: Sequence[float]
    """Ascending, without repetition."""
    counts: Sequence[int]
    above: Sums

    def times(self, factor: float) -> "Readings":
        """The same with so many times as many calls."""
        return Readings(values=self.values, counts=self.counts, above=self.above.times(factor))

    @property
    def quantile(self) -> float | None:
        """The 95% quantile by nearest rank."""
        return quantile_of(self.values, self.counts, QUANTILE)


def quantile_of(values: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The smallest value with at least that share of the calls at or below it."""
    wanted = share * sum(counts)
    reached = 0
    for value, count in zip(values, counts, strict=True):
        reached += count
        if reached >= wanted * (1 - 1e-12):
            return value
    return None


def quantile_change(old: Readings, new: Readings, level: float) -> Change | None:
    """The relative change of the 95% quantile; None where too few calls reach that far."""
    z = critical(min(old.above.unit_count, new.above.unit_count), level)
    ends = [_quantile_ends(readings, z, level) for readings in (old, new)]
    if ends[0] is None or ends[1] is None:
        return None
    (old_low, before, old_high), (new_low, after, new_high) = ends[0], ends[1]
    value = after - before
    low = value - sqrt((after - new_low) ** 2 + (old_high - before) ** 2)
    high = value + sqrt((new_high - after) ** 2 + (before - old_low) ** 2)
    return Change(value=exp(value) - 1, low=_grown(low), high=_grown(high))


def _quantile_ends(readings: Readings, z: float, level: float) -> tuple[float, float, float] | None:
    """The quantile between its ends, as logarithms."""
    independent = _independent(readings.above)
    # So that the greatest value is above the quantile with enough certainty.
    if independent <= 0 or QUANTILE**independent > (1 - level) / 2:
        return None
    low, high = _wilson(QUANTILE, independent, z)
    found = [quantile_of(readings.values, readings.counts, at) for at in (low, QUANTILE, high)]
    if any(value is None or value <= 0 for value in found):
        return None
    first, middle, last = (log(value) for value in found if value is not None)
    return first, middle, last


def _independent(sums: Sums) -> float:
    """How many independent calls would have this variance; at most as many as there are.

    Where nothing varies, each conversation counts once.
    """
    if sums.x <= 0:
        return 0.0
    ratio = sums.y / sums.x
    spread, variance = ratio * (1 - ratio), sums.variance
    if spread <= 0 or variance <= 0:
        return float(sums.unit_count)
    return min(spread / variance, sums.x)


def _wilson(share: float, count: float, z: float) -> tuple[float, float]:
    squared = z * z / count
    centre = (share + squared / 2) / (1 + squared)
    half = z / (1 + squared) * sqrt(max(share * (1 - share), 0.0) / count + squared / (4 * count))
    return max(min(centre - half, share), 0.0), min(max(centre + half, share), 1.0)


def _grown(exponent: float) -> float:
    return exp(min(exponent, 700.0)) - 1
