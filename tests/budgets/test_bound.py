"""By how much a guard can be passed: never by more than is said, on calls of every kind."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.guards import CHEAP, MODEL, budget
from wai_ops.config.budget_settings import (
    Alignment,
    BudgetScope,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    GuardSettings,
    LimitAction,
    ScopeKey,
)
from wai_ops.control.budgets.bound import IN_THE_BOUND, Bound, Given, Source, bounds_of
from wai_ops.control.budgets.bound_traffic import (
    GuardTraffic,
    guard_traffic,
    most_at_once,
    most_begun,
)
from wai_ops.control.budgets.compile import compile_budgets
from wai_ops.control.budgets.replay import Call, Meter, replay

_S = 1_000_000
_HOUR = 3600 * _S

CALLS = st.lists(
    st.tuples(st.integers(0, 3 * _HOUR), st.integers(0, 120 * _S), st.integers(0, 500)),
    max_size=80,
)


def calls_of(drawn: list[tuple[int, int, int]]) -> list[Call]:
    return [(at, at + long, 0, cost, cost, None) for at, long, cost in sorted(drawn)]


def refused(calls: list[Call], *, limit: int, delay: int, is_sliding: bool) -> set[int]:
    meter = Meter("g", "", limit, _HOUR, is_sliding=is_sliding)
    return {index for index, _ in replay(calls, [[meter]], delay_us=delay).refused}


@given(CALLS, st.integers(1, 2000), st.sampled_from([0, 5 * _S, 60 * _S, 600 * _S]))
@settings(max_examples=300)
def test_no_window_of_the_clock_costs_more_than_the_limit_and_what_is_not_counted(
    drawn: list[tuple[int, int, int]], limit: int, delay: int
) -> None:
    """Against the replay that agrees call by call with the emulator."""
    calls = calls_of(drawn)
    out = refused(calls, limit=limit, delay=delay, is_sliding=False)
    served = [call for index, call in enumerate(calls) if index not in out]
    uncounted = most_at_once([c[0] for c in calls], [c[1] for c in calls], delay)
    worst = max((call[3] for call in calls), default=0)
    for number in range(5):
        spent = sum(call[3] for call in served if call[1] // _HOUR == number)
        assert spent <= limit + uncounted * worst


@given(CALLS, st.integers(1, 2000), st.sampled_from([0, 60 * _S]))
@settings(max_examples=300)
def test_no_rolling_hour_costs_more_than_twice_the_limit_and_what_is_not_counted(
    drawn: list[tuple[int, int, int]], limit: int, delay: int
) -> None:
    calls = calls_of(drawn)
    out = refused(calls, limit=limit, delay=delay, is_sliding=True)
    served = sorted((call[1], call[3]) for index, call in enumerate(calls) if index not in out)
    uncounted = most_at_once([c[0] for c in calls], [c[1] for c in calls], delay)
    worst = max((call[3] for call in calls), default=0)
    for end, _ in served:
        spent = sum(cost for at, cost in served if end - _HOUR < at <= end)
        assert spent <= 2 * limit + 2 * uncounted * worst


def test_the_bound_is_reached_by_a_burst() -> None:
    """It is no larger than it has to be: a burst of equal calls comes within one call of it."""
    calls: list[Call] = [(0, 0, 0, 99, 99, None), *[(1, _S, 0, 10, 10, None)] * 200]
    meter = Meter("g", "", 100, _HOUR)
    assert replay(calls, [[meter]]).refused == []
    assert meter.most == 99 + 2000
    assert 100 + 10 * most_at_once([c[0] for c in calls[1:]], [c[1] for c in calls[1:]], 0) == 2100


@given(CALLS, st.integers(0, 200 * _S))
def test_the_most_at_once_is_what_counting_one_by_one_says(
    drawn: list[tuple[int, int, int]], delay: int
) -> None:
    calls = calls_of(drawn)
    begins, ends = [c[0] for c in calls], [c[1] for c in calls]
    slow = max(
        (
            sum(
                other <= index and (ends[other] + delay > at or other == index)
                for other in range(len(calls))
            )
            for index, at in enumerate(begins)
        ),
        default=0,
    )
    assert most_at_once(begins, ends, delay) == slow
    fast = most_begun(begins, delay)
    assert fast == max((sum(at - delay <= b <= at for b in begins) for at in begins), default=0)


def test_traffic_is_that_of_the_busiest_bucket() -> None:
    """Ten calls of one tenant at once and two of another: each has a limit of its own."""
    acme, globex = Meter("policy x", "tenant=acme", 1, 0), Meter("policy x", "tenant=globex", 1, 0)
    calls: list[Call] = [(i, 100, 0, 5, 7, None) for i in range(10)]
    calls += [(50, 60, 1, 9, 9, None), (70, 80, 1, 1, 1, None)]
    found = guard_traffic(
        sorted(calls),
        [[acme], [globex], None],
        [MODEL, CHEAP, None],
        settle_us=0,
        propagation_us={"policy x": 5},
    )
    assert found == {
        "policy x": GuardTraffic(
            call_count=12,
            at_once=10,
            uncounted=10,
            begun=6,
            rate_per_s=Decimal(10),
            worst_usd=Decimal(9) / 10**12,
            models=frozenset({MODEL, CHEAP}),
        )
    }


TRAFFIC = GuardTraffic(
    call_count=500,
    at_once=8,
    uncounted=20,
    begun=100,
    rate_per_s=Decimal(3),
    worst_usd=Decimal("0.01"),
    models=frozenset({MODEL}),
)


def bound_of(
    settings_: BudgetSettings,
    *,
    traffic: GuardTraffic | None = TRAFFIC,
    worst: Decimal | None = Decimal("0.02"),
    flags: Given | None = None,
) -> dict[Enforcement, Bound]:
    compiled = compile_budgets({"b": settings_}, GuardSettings())
    names = [str(guard.ref) for guard in compiled.guards]
    return {
        bound.form: bound
        for bound in bounds_of(
            compiled,
            {"b": settings_},
            {} if traffic is None else dict.fromkeys(names, traffic),
            {} if worst is None else dict.fromkeys(names, worst),
            flags or Given(),
        )
    }


def test_a_bound_is_calls_times_the_dearest_and_every_factor_says_its_source() -> None:
    found = bound_of(budget(per=(ScopeKey.TENANT,)))
    bound = found[Enforcement.POLICY]
    assert (bound.overshoot_usd, bound.after_push_usd) == (Decimal("0.40"), Decimal("2.00"))
    assert (bound.most_usd, bound.per) == (Decimal("5.40"), "each tenant")
    assert {factor.name: (factor.value, factor.source) for factor in bound.factors} == {
        "dearest call": (Decimal("0.02"), Source.PRICES),
        "calls not counted yet": (Decimal(20), Source.MEASURED),
        "settle delay": (Decimal(60), Source.ASSUMED),
        "propagation": (Decimal(900), Source.DOCUMENTED),
        "calls until a push holds": (Decimal(100), Source.MEASURED),
    }
    assert all(factor.assumption for factor in bound.factors)
    assert not set(bound.not_covered) & IN_THE_BOUND
    assert bound.not_covered


def test_what_wai_holds_itself_is_never_passed() -> None:
    bound = bound_of(budget(), traffic=None, worst=None)[Enforcement.LOCAL]
    assert bound.overshoot_usd == bound.after_push_usd == Decimal(0)


def test_flags_stand_in_for_what_was_not_measured() -> None:
    flags = Given(
        concurrency=200,
        rate_per_s=Decimal(10),
        worst_request_usd=Decimal("0.5"),
        settle_s=Decimal(2),
        propagation_s=Decimal(30),
    )
    bound = bound_of(budget(), traffic=None, worst=None, flags=flags)[Enforcement.POLICY]
    assert bound.overshoot_usd == Decimal("0.5") * (200 + 20)
    assert bound.after_push_usd == Decimal("0.5") * (200 + 300)


def test_a_call_that_was_dearer_than_the_price_list_allows_counts() -> None:
    bound = bound_of(budget(), worst=Decimal("0.001"))[Enforcement.POLICY]
    assert bound.overshoot_usd == Decimal("0.20")
    assert bound.factors[0].source is Source.MEASURED


@pytest.mark.parametrize(
    ("traffic", "worst", "words"),
    [(None, Decimal(1), "no call of this guard"), (TRAFFIC, None, "price or the context window")],
)
def test_without_a_factor_there_is_no_bound(
    traffic: GuardTraffic | None, worst: Decimal | None, words: str
) -> None:
    bound = bound_of(budget(), traffic=traffic, worst=worst)[Enforcement.POLICY]
    assert (bound.overshoot_usd, bound.most_usd) == (None, None)
    assert words in bound.why_unknown


def test_a_rolling_limit_can_be_spent_twice() -> None:
    bound = bound_of(budget(alignment=Alignment.ROLLING))[Enforcement.SPEND_LIMIT]
    assert bound.overshoot_usd == 2 * Decimal("0.40") + 5
    assert "windows in one" in {factor.name for factor in bound.factors}


def test_a_budget_that_moves_to_a_cheaper_model_has_no_bound() -> None:
    settings_ = budget(
        action=LimitAction.DOWNSHIFT,
        downshift_to=CHEAP,
        window=BudgetWindow.DAILY,
        scope=BudgetScope(model=(MODEL,), tenant=("acme",)),
    )
    bound = bound_of(settings_)[Enforcement.ROUTE]
    assert bound.overshoot_usd is None
    assert CHEAP in bound.why_unknown


def test_every_gap_that_a_factor_stands_for_is_one_that_forms_name() -> None:
    """A gap that is worded anew would otherwise be told twice."""
    gaps: set[str] = set()
    for alignment in Alignment:
        for action in (LimitAction.BLOCK, LimitAction.DOWNSHIFT):
            settings_ = budget(
                alignment=alignment,
                action=action,
                downshift_to=CHEAP if action is LimitAction.DOWNSHIFT else None,
                window=BudgetWindow.DAILY,
                scope=BudgetScope(model=(MODEL,), tenant=("acme",)),
            )
            compiled = compile_budgets({"b": settings_}, GuardSettings())
            gaps.update(gap for guard in compiled.guards for gap in guard.gaps)
    assert gaps >= IN_THE_BOUND
