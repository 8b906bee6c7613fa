"""Keep a prompt's version, watch it, or roll it back: decided from intervals, never from noise.

A measure says `worse` only when its whole interval is worse than what is tolerated, and `no worse`
only when the whole interval is better than that; anything between is `unclear`. The intervals of
all deciding measures hold together with 95% (Bonferroni), so that looking at several of them makes
no more false alarms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from wai_ops.observe.reports.release_math import (
    Change,
    Readings,
    Sums,
    mean_change,
    quantile_change,
    share_change,
)

FEWEST = 30
"""Conversations on each side; with fewer nothing is said."""
JOINT_LEVEL = 0.95


class Advice(StrEnum):
    """What to do with the new version."""

    KEEP = "keep"
    WATCH = "watch"
    ROLL_BACK = "roll back"
    NONE = "too little data"


class Measure(StrEnum):
    """What the two versions are compared by."""

    PROMPT_FAILURES = "failures by the prompt"
    OTHER_FAILURES = "other failures"
    REQUEST_COST = "cost per request"
    RESOLVED_COST = "cost per resolved"
    RESOLVED = "resolved share"
    TTFT = "TTFT p95"
    CACHED = "cached share"
    OUTPUT = "output tokens"


class Scale(StrEnum):
    """How a difference is given."""

    POINTS = "points"
    """The difference of two shares: 0.02 is two percentage points."""
    RELATIVE = "relative"
    """A share of the old value: 0.1 is a tenth more."""


class Finding(StrEnum):
    """What an interval says about a measure."""

    WORSE = "worse"
    BETTER = "better"
    NO_WORSE = "no worse"
    UNCLEAR = "unclear"
    CHANGED = "changed"
    """Of a measure that decides nothing: the same value on both sides lies outside its interval."""
    SAME = "no change shown"
    """Of a measure that decides nothing: the same value on both sides is possible."""
    NO_DATA = "too little data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a measure is judged."""

    scale: Scale
    tolerance: float | None
    """So much worse is tolerated; None: the measure decides nothing."""
    is_more_worse: bool = True


RULES: Mapping[Measure, Rule] = {
    Measure.PROMPT_FAILURES: Rule(scale=Scale.POINTS, tolerance=0.02),
    Measure.REQUEST_COST: Rule(scale=Scale.RELATIVE, tolerance=0.10),
    Measure.RESOLVED: Rule(scale=Scale.POINTS, tolerance=0.05, is_more_worse=False),
    Measure.RESOLVED_COST: Rule(scale=Scale.RELATIVE, tolerance=0.10),
    Measure.TTFT: Rule(scale=Scale.RELATIVE, tolerance=0.20),
    Measure.CACHED: Rule(scale=Scale.POINTS, tolerance=None, is_more_worse=False),
    Measure.OUTPUT: Rule(scale=Scale.RELATIVE, tolerance=None),
    Measure.OTHER_FAILURES: Rule(scale=Scale.POINTS, tolerance=None),
}
DECIDING = tuple(measure for measure, rule in RULES.items() if rule.tolerance is not None)
NEEDED = (Measure.PROMPT_FAILURES, Measure.REQUEST_COST)
"""Without these nothing is kept."""
LEVEL = 1 - (1 - JOINT_LEVEL) / len(DECIDING)
"""Of each interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is known of one version's conversations."""

    unit_count: int
    """Conversations; calls that belong to none stand for themselves."""
    sums: Mapping[Measure, Sums]
    ttft: Readings | None = None

    def times(self, factor: float) -> "Side":
        """The same with so many times as many conversations of the same kinds."""
        return Side(
            unit_count=round(self.unit_count * factor),
            sums={measure: sums.times(factor) for measure, sums in self.sums.items()},
            ttft=None if self.ttft is None else self.ttft.times(factor),
        )

    def value(self, measure: Measure) -> float | None:
        """The measure itself."""
        if measure is Measure.TTFT:
            return None if self.ttft is None else self.ttft.quantile
        found = self.sums.get(measure)
        return None if found is None else found.ratio

    def count(self, measure: Measure) -> int:
        """Conversations that say something about it."""
        if measure is Measure.TTFT:
            return 0 if self.ttft is None else self.ttft.above.unit_count
        found = self.sums.get(measure)
        return 0 if found is None else found.unit_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One measure of both versions."""

    measure: Measure
    before: float | None
    after: float | None
    before_count: int
    after_count: int
    change: Change | None
    finding: Finding

    @property
    def rule(self) -> Rule:
        """How it is judged."""
        return RULES[self.measure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The advice, what it stands on, and what would change it. Texts without a full stop."""

    advice: Advice
    reason: str
    outlook: str
    judged: Sequence[Judged]


def judge(old: Side, new: Side) -> list[Judged]:
    """Every measure of both versions, in the order of `RULES`."""
    return [_judged(measure, rule, old, new) for measure, rule in RULES.items()]


def decide(old: Side, new: Side, *, is_concurrent: bool) -> Decision:
    """The advice from what was measured on both sides; pure.

    `is_concurrent`: both versions ran side by side, and chance said which conversation got which.
    """
    judged = judge(old, new)
    fewest = min(old.unit_count, new.unit_count)
    if fewest < FEWEST:
        return Decision(
            advice=Advice.NONE,
            reason=f"{old.unit_count:,} and {new.unit_count:,} conversations are too few to tell"
            " a difference from chance",
            outlook=f"{FEWEST} on each side are the least, and most differences need hundreds",
            judged=judged,
        )
    deciding = [item for item in judged if item.measure in DECIDING]
    if worse := [item for item in deciding if item.finding is Finding.WORSE]:
        return Decision(
            advice=Advice.ROLL_BACK,
            reason="; ".join(_worse_words(item) for item in worse),
            outlook="nothing else differed between the two, so more data will hardly change it"
            if is_concurrent
            else "another cause would, such as other traffic or another time: a canary of both"
            " versions tells them apart",
            judged=judged,
        )
    silent = [item for item in deciding if item.finding is Finding.NO_DATA]
    unclear = [item for item in deciding if item.finding is Finding.UNCLEAR]
    lacking = [item for item in silent if item.measure in NEEDED]
    if unclear or lacking:
        growths = {item.measure: _growth(item.measure, old, new) for item in unclear}
        farthest = sorted(unclear, key=lambda item: growths[item.measure], reverse=True)
        return Decision(
            advice=Advice.WATCH,
            reason=_watch_words(farthest, lacking),
            outlook=_outlook(max(growths.values(), default=None), new.unit_count),
            judged=judged,
        )
    unknown = ", ".join(item.measure.value for item in silent)
    return Decision(
        advice=Advice.KEEP,
        reason=_keep_words([item for item in deciding if item.finding is not Finding.NO_DATA]),
        outlook=f"unknown, and not judged: {unknown}"
        if unknown
        else "a measure that turns worse than is tolerated would change it",
        judged=judged,
    )


def _judged(measure: Measure, rule: Rule, old: Side, new: Side) -> Judged:
    counts = old.count(measure), new.count(measure)
    change = None
    if min(counts) >= FEWEST:
        if measure is Measure.TTFT:
            assert old.ttft is not None
            assert new.ttft is not None
            change = quantile_change(old.ttft, new.ttft, LEVEL)
        else:
            compare = share_change if rule.scale is Scale.POINTS else mean_change
            change = compare(old.sums[measure], new.sums[measure], LEVEL)
    return Judged(
        measure=measure,
        before=old.value(measure),
        after=new.value(measure),
        before_count=counts[0],
        after_count=counts[1],
        change=change,
        finding=_finding(rule, change),
    )


def _finding(rule: Rule, change: Change | None) -> Finding:
    if change is None:
        return Finding.NO_DATA
    if rule.tolerance is None:
        is_changed = change.low > 0 or change.high < 0
        return Finding.CHANGED if is_changed else Finding.SAME
    _, low, high = _worsening(rule, change)
    if low > rule.tolerance:
        return Finding.WORSE
    if high <= rule.tolerance:
        return Finding.BETTER if high < 0 else Finding.NO_WORSE
    return Finding.UNCLEAR


def _worsening(rule: Rule, change: Change) -> tuple[float, float, float]:
    """Value, low and high such that more is worse."""
    if rule.is_more_worse:
        return change.value, change.low, change.high
    return -change.value, -change.high, -change.low


def _worse_words(item: Judged) -> str:
    change = item.change
    assert change is not None
    word = "rose" if change.value > 0 else "fell"
    return (
        f"{item.measure.value} {word} by {_amount(abs(change.value), item.rule.scale)}"
        f" ({_ends(item)}), where {_amount(item.rule.tolerance or 0, item.rule.scale)} are"
        " tolerated"
    )


def _watch_words(unclear: Sequence[Judged], lacking: Sequence[Judged]) -> str:
    """The measures that are farthest from being settled, and how many more there are."""
    words = [_unclear_words(item) for item in unclear[:_SHOWN]]
    words += [f"{item.measure.value} is not known of enough conversations" for item in lacking]
    if (more := len(unclear) - _SHOWN) > 0:
        words.append(f"{more} more {'are' if more > 1 else 'is'} not settled either")
    return "; ".join(words)


def _unclear_words(item: Judged) -> str:
    change, rule = item.change, item.rule
    assert change is not None
    _, low, high = _worsening(rule, change)
    verb = "rose" if rule.is_more_worse else "fell"
    tolerated = f", where {_amount(rule.tolerance or 0, rule.scale)} are tolerated"
    if low > 0:
        return f"{item.measure.value} {verb} ({_ends(item)}){tolerated}"
    may = "have risen" if rule.is_more_worse else "have fallen"
    return f"{item.measure.value} may {may} by up to {_amount(high, rule.scale)}{tolerated}"


def _keep_words(known: Sequence[Judged]) -> str:
    better = [i.measure.value for i in known if i.finding is Finding.BETTER]
    same = [i.measure.value for i in known if i.finding is Finding.NO_WORSE]
    words = [f"better in {', '.join(better)}"] if better else []
    words += [f"no worse than is tolerated in {', '.join(same)}"] if same else []
    return " and ".join(words)


def _outlook(growth: float | None, unit_count: int) -> str:
    """How many conversations it takes until the last interval is narrow enough."""
    if growth is None:
        return "calls that report it would change it"
    if growth >= _MOST_GROWTH:
        return "the difference lies at the edge of what is tolerated; more data may never settle it"
    rounded = _two_digits(max(ceil(unit_count * (growth - 1)), 1))
    return (
        f"about {rounded:,} more conversations with the new version would settle it, if the figures"
        " stay as they are"
    )


_MOST_GROWTH = 200.0
_STEP = 1.1
_SHOWN = 2


def _growth(measure: Measure, old: Side, new: Side) -> float:
    """So many times as much data of the same kind would settle a measure, in steps of a tenth."""
    rule, factor = RULES[measure], 1.0
    while factor < _MOST_GROWTH:
        factor *= _STEP
        if (
            _judged(measure, rule, old.times(factor), new.times(factor)).finding
            is not Finding.UNCLEAR
        ):
            return factor
    return _MOST_GROWTH


def _two_digits(number: int) -> int:
    """Rounded up: nobody plans by the last digit of an estimate."""
    step = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // step) * step


def _ends(item: Judged) -> str:
    change, scale = item.change, item.rule.scale
    assert change is not None
    return f"{_signed(change.low, scale)} to {_signed(change.high, scale)}"


def _signed(value: float, scale: Scale) -> str:
    return ("-" if value < 0 else "+") + _amount(abs(value), scale)


def _amount(value: float, scale: Scale) -> str:
    return f"{100 * value:,.1f}{'%' if scale is Scale.RELATIVE else ' points'}"
