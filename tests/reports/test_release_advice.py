"""Keep, watch, roll back: on made-up conversations whose truth is known, and on too few."""

import random
import re
from collections import Counter

import pytest

from support.conversations import Kind, Talk, side_of, sums_of, talks
from wai_ops.observe.reports.release_advice import (
    DECIDING,
    FEWEST,
    LEVEL,
    Advice,
    Decision,
    Finding,
    Judged,
    Measure,
    decide,
)
from wai_ops.observe.reports.release_math import (
    Readings,
    critical,
    mean_change,
    quantile_change,
    quantile_of,
    share_change,
)

ALIKE = Kind()


def decided(old: Kind, new: Kind, count: int, seed: int, *, is_concurrent: bool = True) -> Decision:
    """The advice on so many conversations of each kind."""
    rng = random.Random(seed)
    return decide(
        side_of(talks(old, count, rng)),
        side_of(talks(new, count, rng)),
        is_concurrent=is_concurrent,
    )


def of(decision: Decision, measure: Measure) -> Judged:
    """What a decision says of one measure."""
    return next(item for item in decision.judged if item.measure is measure)


@pytest.mark.parametrize(
    ("worse", "measure"),
    [
        (Kind(cost=0.004), Measure.REQUEST_COST),
        (Kind(failing=0.2), Measure.PROMPT_FAILURES),
        (Kind(resolved=0.5), Measure.RESOLVED),
        (Kind(ttft_ms=900), Measure.TTFT),
    ],
)
def test_a_version_that_is_clearly_worse_is_rolled_back_for_that_reason(
    worse: Kind, measure: Measure
) -> None:
    decision = decided(ALIKE, worse, 400, seed=11)
    assert decision.advice is Advice.ROLL_BACK
    assert of(decision, measure).finding is Finding.WORSE
    assert measure.value in decision.reason
    assert "tolerated" in decision.reason


def test_a_version_that_is_better_is_kept_and_never_rolled_back() -> None:
    better = Kind(cost=0.001, failing=0.01, resolved=0.9, ttft_ms=250)
    decision = decided(ALIKE, better, 1500, seed=12)
    assert decision.advice is Advice.KEEP
    assert decision.reason.startswith("better in ")
    assert of(decision, Measure.REQUEST_COST).finding is Finding.BETTER


def test_alike_versions_are_watched_until_there_is_enough_and_then_kept() -> None:
    early = decided(ALIKE, ALIKE, 150, seed=14)
    assert early.advice is Advice.WATCH
    assert "more conversations with the new version would settle it" in early.outlook
    late = decided(ALIKE, ALIKE, 6000, seed=14)
    assert late.advice is Advice.KEEP
    assert late.reason.startswith("no worse than is tolerated in ")


def test_equal_versions_raise_false_alarms_no_more_often_than_is_promised() -> None:
    """Whoever looks at equal data is told to roll back never, or nearly never; and all deciding
    intervals together miss the truth in about one case of twenty."""
    looks, missed, advice = 600, 0, Counter[Advice]()
    rng = random.Random(20261123)
    for number in range(looks):
        count = (30, 60, 120)[number % 3]
        sides = [side_of(talks(ALIKE, count, rng)) for _ in range(2)]
        decision = decide(sides[0], sides[1], is_concurrent=True)
        advice[decision.advice] += 1
        missed += any(
            item.change is not None and not item.change.low <= 0 <= item.change.high
            for item in decision.judged
            if item.measure in DECIDING
        )
    assert advice[Advice.ROLL_BACK] <= 0.01 * looks
    assert missed <= 0.075 * looks  # 5%, and what chance adds to it once in a few hundred seeds


def test_calls_that_share_a_fate_are_not_taken_for_independent_ones() -> None:
    """A conversation of which every call fails is one misfortune and not twenty."""
    rng = random.Random(5)

    def fated(count: int) -> list[Talk]:
        made = []
        for _ in range(count):
            is_bad = rng.random() < 0.1
            made.append(Talk(calls=[(is_bad, 0.01, None, 0.5, 10.0)] * 20))
        return made

    alarms = 0
    for _ in range(300):
        old, new = side_of(fated(50)), side_of(fated(50))
        change = of(decide(old, new, is_concurrent=True), Measure.PROMPT_FAILURES).change
        assert change is not None
        alarms += not change.low <= 0 <= change.high
    assert alarms <= 9  # 1% each


def test_with_few_conversations_nothing_is_advised_whatever_they_look_like() -> None:
    fine = [Talk(calls=[(False, 0.001, 100.0, 0.9, 10.0)], outcome=True)] * (FEWEST - 1)
    awful = [Talk(calls=[(True, 5.0, 90_000.0, 0.0, 9000.0)], outcome=False)] * (FEWEST - 1)
    decision = decide(side_of(fine), side_of(awful), is_concurrent=True)
    assert decision.advice is Advice.NONE
    assert "too few" in decision.reason
    assert {item.finding for item in decision.judged} == {Finding.NO_DATA}
    assert decide(side_of([]), side_of([]), is_concurrent=False).advice is Advice.NONE


def test_no_failure_in_forty_conversations_is_no_proof_that_none_will_come() -> None:
    """Where nothing varies the interval still has a width."""
    fine = [Talk(calls=[(False, 0.001, None, 0.9, 10.0)])] * 40
    change = of(decide(side_of(fine), side_of(fine), is_concurrent=True), Measure.PROMPT_FAILURES)
    assert change.change is not None
    assert change.change.value == 0
    assert change.change.high > 0.05
    assert change.finding is Finding.UNCLEAR


def test_as_many_conversations_as_watch_names_do_settle_it() -> None:
    rng = random.Random(14)
    old, new = talks(ALIKE, 60, rng), talks(ALIKE, 60, rng)
    decision = decide(side_of(old), side_of(new), is_concurrent=True)
    assert decision.advice is Advice.WATCH
    named = re.match(r"about ([\d,]+) more conversations", decision.outlook)
    assert named is not None
    more = int(named[1].replace(",", ""))
    times = -(-(60 + more) // 60)
    assert times > 2
    later = decide(side_of(old * times), side_of(new * times), is_concurrent=True)
    assert Finding.UNCLEAR not in {item.finding for item in later.judged}
    earlier = decide(side_of(old * (times // 2)), side_of(new * (times // 2)), is_concurrent=True)
    assert Finding.UNCLEAR in {item.finding for item in earlier.judged}


def test_what_is_not_known_is_named_and_does_not_count_as_good() -> None:
    silent = Kind(resolved=None, ttft_ms=None)
    decision = decided(silent, silent, 6000, seed=3)
    assert decision.advice is Advice.KEEP
    assert decision.outlook == (
        "unknown, and not judged: resolved share, cost per resolved, TTFT p95"
    )
    unpriced = [Talk(calls=[(False, 0.0, None, 0.5, 1.0)])] * 4000
    nothing = decide(side_of(unpriced), side_of(unpriced), is_concurrent=True)
    assert nothing.advice is Advice.WATCH
    assert "cost per request is not known of enough conversations" in nothing.reason


def test_advice_from_before_and_after_says_what_it_cannot_tell_apart() -> None:
    dear = Kind(cost=0.01)
    apart = decided(ALIKE, dear, 200, seed=4, is_concurrent=False)
    beside = decided(ALIKE, dear, 200, seed=4, is_concurrent=True)
    assert apart.advice is beside.advice is Advice.ROLL_BACK
    assert "canary" in apart.outlook
    assert "canary" not in beside.outlook


def test_swapping_the_versions_turns_the_answer_round() -> None:
    rng = random.Random(8)
    one, other = side_of(talks(ALIKE, 90, rng)), side_of(talks(Kind(failing=0.1), 90, rng))
    there = share_change(
        one.sums[Measure.PROMPT_FAILURES], other.sums[Measure.PROMPT_FAILURES], LEVEL
    )
    back = share_change(
        other.sums[Measure.PROMPT_FAILURES], one.sums[Measure.PROMPT_FAILURES], LEVEL
    )
    assert there is not None
    assert back is not None
    assert (there.low, there.value, there.high) == pytest.approx(
        (-back.high, -back.value, -back.low)
    )
    dear = mean_change(one.sums[Measure.REQUEST_COST], other.sums[Measure.REQUEST_COST], LEVEL)
    cheap = mean_change(other.sums[Measure.REQUEST_COST], one.sums[Measure.REQUEST_COST], LEVEL)
    assert dear is not None
    assert cheap is not None
    assert (1 + dear.low) * (1 + cheap.high) == pytest.approx(1)


def test_the_critical_value_is_students() -> None:
    """Against printed tables: two-sided 99% and 95% with 29, 60 and many degrees of freedom."""
    assert critical(30, 0.99) == pytest.approx(2.756, abs=0.002)
    assert critical(61, 0.99) == pytest.approx(2.660, abs=0.002)
    assert critical(30, 0.95) == pytest.approx(2.045, abs=0.002)
    assert critical(10**9, 0.95) == pytest.approx(1.95996, abs=1e-4)


def test_a_quantile_needs_calls_beyond_it() -> None:
    """With 50 calls the greatest is too often below the true 95% quantile."""
    few = Readings(
        values=list(range(1, 51)), counts=[1] * 50, above=sums_of([(1, 0)] * 48 + [(1, 1)] * 2)
    )
    assert quantile_change(few, few, LEVEL) is None
    many = Readings(
        values=list(range(1, 501)), counts=[1] * 500, above=sums_of([(1, 0)] * 475 + [(1, 1)] * 25)
    )
    change = quantile_change(many, many, LEVEL)
    assert change is not None
    assert change.value == 0
    assert change.low < 0 < change.high


def test_the_nearest_rank_is_the_smallest_value_that_reaches_the_share() -> None:
    assert quantile_of([1.0, 2.0, 3.0], [94, 1, 5], 0.95) == 2.0
    assert quantile_of([1.0, 2.0], [94, 6], 0.95) == 2.0
    assert quantile_of([1.0, 2.0], [95, 5], 0.95) == 1.0
    assert quantile_of([], [], 0.95) is None
