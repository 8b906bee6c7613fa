"""Made-up conversations for the comparison of two versions, and their sums in plain Python."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import exp

from wai_ops.observe.reports.release_advice import Measure, Side
from wai_ops.observe.reports.release_math import QUANTILE, Readings, Sums, quantile_of


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What conversations of a version are like."""

    failing: float = 0.04
    """Share of calls that fail by the prompt; it differs from conversation to conversation."""
    cost: float = 0.002
    resolved: float | None = 0.8
    """None: no outcome is ever recorded."""
    ttft_ms: float | None = 400.0
    cached: float = 0.5
    output: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Talk:
    """One conversation: its calls, each of (failed, cost, ttft, cached, output)."""

    calls: list[tuple[bool, float, float | None, float, float]] = field(default_factory=list)
    outcome: bool | None = None


def talks(kind: Kind, count: int, rng: random.Random) -> list[Talk]:
    """So many conversations, whose calls resemble each other and whose sizes have long tails."""
    made = []
    for _ in range(count):
        failing = rng.betavariate(0.5, 0.5 / kind.failing - 0.5) if kind.failing else 0.0
        size = exp(rng.gauss(0, 0.6) - 0.18)
        speed = exp(rng.gauss(0, 0.3) - 0.045)
        ttft_ms = None if kind.ttft_ms is None else kind.ttft_ms * speed
        calls = [
            (
                rng.random() < failing,
                kind.cost * size * exp(rng.gauss(0, 0.4) - 0.08),
                None if ttft_ms is None else ttft_ms * exp(rng.gauss(0, 0.5) - 0.125),
                min(max(rng.gauss(kind.cached, 0.2), 0.0), 1.0),
                kind.output * size * exp(rng.gauss(0, 0.3) - 0.045),
            )
            for _ in range(1 + min(int(rng.expovariate(0.4)), 20))
        ]
        outcome = None if kind.resolved is None else rng.random() < kind.resolved
        made.append(Talk(calls=calls, outcome=outcome))
    return made


def sums_of(pairs: Iterable[tuple[float, float]]) -> Sums:
    """The sums over conversations of (x, y)."""
    kept = [(x, y) for x, y in pairs if x > 0 or y > 0]
    return Sums(
        unit_count=sum(x > 0 for x, _ in kept),
        x=sum(x for x, _ in kept),
        y=sum(y for _, y in kept),
        xx=sum(x * x for x, _ in kept),
        xy=sum(x * y for x, y in kept),
        yy=sum(y * y for _, y in kept),
    )


def side_of(made: Sequence[Talk]) -> Side:
    """What the report would know of these conversations."""
    times = Counter(c[2] for talk in made for c in talk.calls if c[2] is not None)
    values = sorted(times)
    counts = [times[value] for value in values]
    limit = quantile_of(values, counts, QUANTILE)
    above = sums_of(
        (
            sum(c[2] is not None for c in talk.calls),
            sum(c[2] is not None and limit is not None and c[2] > limit for c in talk.calls),
        )
        for talk in made
    )
    ended = [talk for talk in made if talk.outcome is not None]
    return Side(
        unit_count=len(made),
        sums={
            Measure.PROMPT_FAILURES: sums_of(
                (len(talk.calls), sum(c[0] for c in talk.calls)) for talk in made
            ),
            Measure.OTHER_FAILURES: sums_of((len(talk.calls), 0) for talk in made),
            Measure.REQUEST_COST: sums_of(
                (len(talk.calls), sum(c[1] for c in talk.calls)) for talk in made
            ),
            Measure.RESOLVED_COST: sums_of(
                (float(bool(talk.outcome)), sum(c[1] for c in talk.calls)) for talk in ended
            ),
            Measure.RESOLVED: sums_of((1, float(bool(talk.outcome))) for talk in ended),
            Measure.CACHED: sums_of(
                (1000 * len(talk.calls), sum(1000 * c[3] for c in talk.calls)) for talk in made
            ),
            Measure.OUTPUT: sums_of(
                (len(talk.calls), sum(c[4] for c in talk.calls)) for talk in made
            ),
        },
        ttft=Readings(values=values, counts=counts, above=above) if values else None,
    )
