"""Budget, burn rate, alert and verdict: rules of numbers alone."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.config.settings import SloSettings, SloTargets
from wai_ops.observe.reports.slo_rules import (
    Budget,
    Ended,
    Measured,
    alert_of,
    budget_of,
    burn_rate,
    targets_of,
    verdict_of,
)

TARGET = Decimal("0.99")
NOTHING = {"1h": None, "6h": None, "1d": None, "3d": None}


def test_a_budget_is_what_the_target_leaves_to_fail() -> None:
    assert budget_of(TARGET, Ended(1000, 4)) == Budget(
        allowed_failures=Decimal(10), remaining_failures=Decimal(6), left_ratio=0.6
    )
    assert budget_of(TARGET, Ended(1000, 25)).left_ratio == -1.5
    assert budget_of(TARGET, Ended(0, 0)).left_ratio is None
    assert budget_of(Decimal(1), Ended(10, 1)) == Budget(
        allowed_failures=Decimal(0), remaining_failures=Decimal(-1)
    )
    assert budget_of(None, Ended(10, 1)) == Budget()


def test_a_burn_rate_of_one_spends_the_budget_exactly() -> None:
    assert burn_rate(TARGET, Ended(1000, 10)) == Decimal("1.00")
    assert burn_rate(TARGET, Ended(3, 1)) == Decimal("33.33")
    assert burn_rate(TARGET, Ended(0, 0)) is None
    assert burn_rate(Decimal(1), Ended(10, 1)) is None
    assert burn_rate(None, Ended(10, 1)) is None


@given(
    st.integers(1, 10**6).flatmap(lambda runs: st.tuples(st.just(runs), st.integers(0, runs))),
    st.integers(1, 999).map(lambda n: Decimal(n) / 1000),
)
def test_the_budget_is_spent_when_and_only_when_the_completion_target_is_missed(
    counts: tuple[int, int], target: Decimal
) -> None:
    ended = Ended(*counts)
    left = budget_of(target, ended).remaining_failures
    measured = Measured(
        ended=ended, ttft_p95_ms=None, duration_p95_ms=None, cost_per_success_usd=None
    )
    verdict = verdict_of(SloTargets(completion_ratio=target), measured, None)
    assert left is not None
    assert verdict == ("fail" if left < 0 else "pass")


@pytest.mark.parametrize(
    ("hour", "hours", "days", "alert"),
    [
        ("6", "6", "0", "fast"),
        ("100", "5.99", "0", None),
        ("5.99", "100", "0", None),
        ("0", "1", "1", "slow"),
        ("6", "7", "3", "fast"),
        ("0", "0.99", "50", None),
        (None, "2", "2", "slow"),
        (None, None, "9", None),
    ],
)
def test_two_windows_must_agree_on_an_alert(
    hour: str | None, hours: str | None, days: str | None, alert: str | None
) -> None:
    given_rates = {"1h": hour, "6h": hours, "3d": days}
    burn = NOTHING | {k: None if v is None else Decimal(v) for k, v in given_rates.items()}
    assert alert_of(burn) == alert


def test_a_workflows_own_targets_beat_the_general_ones_key_by_key() -> None:
    settings = SloSettings(
        ttft_p95_ms=2000,
        completion_ratio=TARGET,
        workflows={"chat": SloTargets(ttft_p95_ms=500)},
    )
    assert targets_of(settings, "chat") == SloTargets(ttft_p95_ms=500, completion_ratio=TARGET)
    assert targets_of(settings, "other").ttft_p95_ms == 2000
    assert targets_of(settings, None).ttft_p95_ms == 2000


def test_one_missed_target_fails_then_the_unknown_counts_then_the_alert() -> None:
    targets = SloTargets(ttft_p95_ms=100, completion_ratio=TARGET)
    good = Measured(
        ended=Ended(100, 1), ttft_p95_ms=100, duration_p95_ms=None, cost_per_success_usd=None
    )
    blind = Measured(
        ended=Ended(100, 1), ttft_p95_ms=None, duration_p95_ms=None, cost_per_success_usd=None
    )
    bad = Measured(
        ended=Ended(100, 2), ttft_p95_ms=None, duration_p95_ms=None, cost_per_success_usd=None
    )
    assert verdict_of(targets, good, None) == "pass"
    assert verdict_of(targets, good, "slow") == "warn"
    assert verdict_of(targets, blind, "slow") == "unknown"
    assert verdict_of(targets, bad, None) == "fail"
    assert verdict_of(SloTargets(), bad, "fast") is None
