"""The statistics of a comparison, against enumeration, known figures and simulated truth."""

import itertools
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.prompts.compare_stats import mcnemar_exact, mean_difference, pass_rates


@given(st.integers(0, 7), st.integers(0, 7))
def test_the_exact_test_is_what_counting_all_coin_throws_gives(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    extreme = abs(only_a - only_b)
    throws = itertools.product((-1, 1), repeat=n)
    counted = sum(abs(sum(throw)) >= extreme for throw in throws) / 2**n
    assert mcnemar_exact(only_a, only_b) == pytest.approx(counted)


@pytest.mark.parametrize(
    ("only_a", "only_b", "expected"),
    [(0, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (15, 5, 0.04138947), (3000, 3000, 1.0)],
)
def test_known_values_of_the_exact_test(only_a: int, only_b: int, expected: float) -> None:
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected)


def test_thousands_of_cases_that_differ_are_no_overflow() -> None:
    assert mcnemar_exact(9000, 1000) < 1e-300
    assert 0 < mcnemar_exact(5100, 4900) < 0.05


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_pass_rates_add_up_and_swap_with_the_sides(pairs: list[tuple[bool, bool]]) -> None:
    found = pass_rates(pairs)
    other = pass_rates([(b, a) for a, b in pairs])
    assert found.rate_a == sum(a for a, _ in pairs) / len(pairs) == other.rate_b
    assert found.interval.difference == pytest.approx(found.rate_b - found.rate_a)
    assert found.p_value == other.p_value
    assert not (found.is_worse and other.is_worse)
    if found.interval.low is not None and found.interval.high is not None:
        assert other.interval.low == pytest.approx(-found.interval.high)
        assert -1 <= found.interval.low <= found.interval.high <= 1


def test_five_cases_lost_and_none_won_is_chance_six_are_not() -> None:
    assert not pass_rates([(True, False)] * 5 + [(True, True)] * 20).is_worse
    assert pass_rates([(True, False)] * 6 + [(True, True)] * 20).is_worse
    assert not pass_rates([(False, True)] * 60).is_worse


@pytest.mark.parametrize(("lost", "won"), [(0.05, 0.05), (0.2, 0.05), (0.02, 0.3)])
@pytest.mark.parametrize("n", [20, 100])
def test_the_interval_of_pass_rates_holds_the_truth_as_often_as_it_says(
    lost: float, won: float, n: int
) -> None:
    """3,000 simulated comparisons with a known difference; 95% are promised."""
    rng = random.Random(7)
    inside = 0
    for _ in range(3000):
        draws = [rng.random() for _ in range(n)]
        pairs = [(True, False) if x < lost else (False, x < lost + won) for x in draws]
        interval = pass_rates(pairs).interval
        assert interval.low is not None
        assert interval.high is not None
        inside += interval.low <= won - lost <= interval.high
    assert inside / 3000 > 0.93


def test_a_false_alarm_is_as_rare_as_promised() -> None:
    """Two equal versions: the exact test may cry wolf in at most one of twenty comparisons."""
    rng = random.Random(8)
    alarms = 0
    for _ in range(2000):
        pairs = [(rng.random() < 0.7, rng.random() < 0.7) for _ in range(40)]
        alarms += pass_rates(pairs).is_worse
    assert alarms / 2000 < 0.03  # one-sided, so half of 5%


@pytest.mark.parametrize(("n", "least"), [(25, 0.88), (60, 0.91), (400, 0.93)])
def test_the_interval_of_means_holds_the_truth_for_skewed_costs(n: int, least: float) -> None:
    """Differences of log-normal costs: skewed, as bills are."""
    rng = random.Random(9)
    truth = math.exp(0.125) * 0.2
    inside = 0
    rounds = 300
    for _ in range(rounds):
        pairs = [
            (base := rng.lognormvariate(0, 1), base + 0.2 * rng.lognormvariate(0, 0.5))
            for _ in range(n)
        ]
        interval = mean_difference(pairs)
        assert interval.low is not None
        assert interval.high is not None
        inside += interval.low <= truth <= interval.high
    assert inside / rounds > least


def test_students_interval_is_the_textbook_one() -> None:
    """t(0.975, 249) is 1.969537."""
    rng = random.Random(3)
    values = [rng.gauss(1, 2) for _ in range(250)]
    found = mean_difference([(0, value) for value in values])
    half = 1.969537 * statistics.stdev(values) / math.sqrt(250)
    assert found.method == "Student"
    assert found.high == pytest.approx(statistics.fmean(values) + half, rel=1e-5)


def test_the_same_pairs_give_the_same_interval_and_few_give_none() -> None:
    pairs = [(float(i), i * 1.1) for i in range(30)]
    assert mean_difference(pairs) == mean_difference(pairs)
    assert mean_difference(pairs).is_above
    assert mean_difference(pairs[:4]).low is None
    constant = mean_difference([(1.0, 3.0)] * 10)
    assert (constant.low, constant.high) == (2.0, 2.0)


def test_the_order_in_which_answers_came_decides_nothing() -> None:
    rng = random.Random(7)
    pairs = [(rng.lognormvariate(0, 1), rng.lognormvariate(0, 1)) for _ in range(40)]
    shuffled = rng.sample(pairs, k=len(pairs))
    assert shuffled != pairs
    assert mean_difference(shuffled) == mean_difference(pairs)
