"""Forecasts of budgets: exact where the past is exact, honest where it is not."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.calls import Call, call, ledger_of
from support.facts import NOON
from wai_ops.config.budget_settings import Alignment, BudgetSettings, BudgetWindow, ScopeKey
from wai_ops.control.budgets.forecast import Forecast, TooLittle, forecast
from wai_ops.control.budgets.outlook import CheckWord, check_table, forecast_table, outlook
from wai_ops.control.budgets.status import budget_status
from wai_ops.core.table import Verdict

NOW = datetime(2026, 3, 14, tzinfo=UTC)  # a Saturday, at midnight


def budget(limit: str, window: str = "monthly", **changes: Any) -> BudgetSettings:
    return BudgetSettings(limit_usd=Decimal(limit), window=BudgetWindow(window), **changes)


def days(count: int, usd: str = "1", now: datetime = NOW) -> dict[datetime, Decimal]:
    """So many days of the same spending before that day, and one that is not counted whole."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {midnight - timedelta(days=n): Decimal(usd) for n in range(1, count + 2)}


def known(found: Forecast | TooLittle) -> Forecast:
    assert isinstance(found, Forecast), found
    return found


def test_a_constant_past_gives_one_date_and_no_interval() -> None:
    """A dollar a day, 13 spent, 20 the limit: seven days from now, to the second."""
    found = known(forecast(budget("20"), days(20), Decimal(13), NOW, name="b"))
    at = NOW + timedelta(days=7)
    assert found.earliest_at == found.exhausted_at == found.latest_at == at
    assert found.probability_ratio == 1.0
    # 18 days of March are left.
    assert found.low_usd == found.expected_usd == found.high_usd == Decimal(31)
    assert found.horizon_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert found.step_count == 20


def test_a_day_that_has_begun_counts_for_what_is_left_of_it() -> None:
    noon = NOW + timedelta(hours=12)
    found = known(forecast(budget("20"), days(20), Decimal("13.5"), noon, name="b"))
    assert found.exhausted_at == NOW + timedelta(days=7)
    assert found.expected_usd == Decimal(31)


def test_a_limit_that_is_not_reached_before_the_window_ends_has_no_date() -> None:
    found = known(forecast(budget("40"), days(20), Decimal(13), NOW, name="b"))
    assert (found.exhausted_at, found.probability_ratio) == (None, 0.0)
    assert found.expected_usd == Decimal(31)


def test_a_limit_that_is_reached_already_is_used_up_now() -> None:
    found = known(forecast(budget("10"), days(20), Decimal(13), NOW, name="b"))
    assert found.exhausted_at == NOW
    assert found.probability_ratio == 1.0


def test_what_leaves_a_rolling_window_makes_room() -> None:
    """A dollar a day in, a dollar a day out: 30 dollars for ever."""
    rolling = budget("31", alignment=Alignment.ROLLING)
    found = known(forecast(rolling, days(60), Decimal(30), NOW, name="b"))
    assert found.exhausted_at is None
    assert found.low_usd == found.high_usd == Decimal(30)
    assert found.horizon_at == NOW + timedelta(days=30)
    # Of a past that is shorter than the window nothing leaves it at first.
    lower = budget("25", alignment=Alignment.ROLLING)
    found = known(forecast(lower, days(10), Decimal(10), NOW, name="b"))
    assert found.exhausted_at == NOW + timedelta(days=15)


def test_weekends_are_drawn_from_weekends() -> None:
    past = {at: Decimal(0 if at.weekday() >= 5 else 5) for at in days(35) if at < NOW}
    found = known(forecast(budget("1000"), past, Decimal(50), NOW, name="b"))
    # From Saturday the 14th: 12 working days are left in March.
    assert found.low_usd == found.high_usd == Decimal(110)


@pytest.mark.parametrize(
    ("window", "count", "unit", "needed"),
    [
        ("monthly", 6, timedelta(days=1), "7 needed"),
        ("weekly", 6, timedelta(days=1), "7 needed"),
        ("daily", 23, timedelta(hours=1), "24 needed"),
        ("hourly", 35, timedelta(minutes=5), "36 needed"),
    ],
)
def test_too_short_a_past_gives_no_forecast_and_one_step_more_does(
    window: str, count: int, unit: timedelta, needed: str
) -> None:
    past = {NOW - n * unit: Decimal(1) for n in range(1, count + 2)}
    found = forecast(budget("100", window), past, Decimal(1), NOW, name="b")
    assert isinstance(found, TooLittle)
    assert found.reason.startswith(f"{count} whole steps of ")
    assert found.reason.endswith(needed)
    past[NOW - (count + 2) * unit] = Decimal(1)
    assert isinstance(forecast(budget("100", window), past, Decimal(1), NOW, name="b"), Forecast)


def test_nothing_spent_yet_is_too_little() -> None:
    assert isinstance(forecast(budget("1"), {}, Decimal(0), NOW, name="b"), TooLittle)


def uneven(rng: random.Random, count: int) -> list[float]:
    """Days of a few dear and many cheap ones."""
    return [rng.expovariate(1.0) for _ in range(count)]


def test_the_same_past_gives_the_same_answer_and_another_bucket_another() -> None:
    rng = random.Random(5)
    past = {NOW - timedelta(days=n): Decimal(repr(usd)) for n, usd in enumerate(uneven(rng, 40), 1)}
    first = forecast(budget("30"), past, Decimal(10), NOW, name="b[tenant=acme]")
    again = forecast(
        budget("30"), dict(reversed(past.items())), Decimal(10), NOW, name="b[tenant=acme]"
    )
    assert first == again
    assert forecast(budget("30"), past, Decimal(10), NOW, name="b[tenant=x]") != first


def test_eight_of_ten_windows_end_within_the_interval() -> None:
    """200 worlds, each with a past of 28 days and a rest of the month that really happens."""
    rng = random.Random(11)
    inside = crossed = 0
    likely = 0.0
    for world in range(200):
        past = {
            NOW - timedelta(days=n): Decimal(repr(usd)) for n, usd in enumerate(uneven(rng, 29), 1)
        }
        truth = 13.0 + sum(uneven(rng, 18))
        found = known(forecast(budget("31"), past, Decimal(13), NOW, name=str(world)))
        inside += found.low_usd <= Decimal(repr(truth)) <= found.high_usd
        crossed += truth >= 31
        likely += found.probability_ratio
    assert 0.72 <= inside / 200 <= 0.88
    assert abs(crossed - likely) / 200 <= 0.12


def rows_of_days(count: int, usd: str) -> list[Call]:
    return [
        call(n, cost_usd=Decimal(usd), duration_ms=10.0, started_at=NOON - timedelta(days=n))
        for n in range(count)
    ]


def test_the_table_has_what_is_used_up_first_on_top_and_says_what_is_unknown(
    tmp_path: Path,
) -> None:
    now = NOON + timedelta(hours=1)
    budgets = {
        "late": budget("40"),
        "soon": budget("20"),
        "new": budget("1", per=(ScopeKey.PROMPT,)),
        "hour": budget("1", "hourly"),
    }
    rows = [*rows_of_days(20, "1"), call(99, prompt_name="young", cost_usd=Decimal("0.1"))]
    with ledger_of(tmp_path, rows) as store:
        status = budget_status(store, budgets, (), now)
        ahead = outlook(store, budgets, status.rows, now, history=timedelta(days=28))
    table = forecast_table(status, ahead)
    assert table.rows[0].budget == "new"  # triage alone has spent 14 dollars of one
    assert table.rows[0].exhausted_at == now
    found = {(row.budget, row.bucket): row for row in table.rows}
    soon = found["soon", ""]
    assert soon.exhausted_at is not None
    assert datetime(2026, 3, 19, tzinfo=UTC) < soon.exhausted_at < datetime(2026, 3, 22, tzinfo=UTC)
    assert found["late", ""].exhausted_at is None
    young = found["new", "prompt=young@3"]
    assert young.unknown_because == "0 whole steps of a day are known, 7 needed"
    assert young.expected_usd is None
    assert any(note.startswith("method: ") for note in table.notes)


@pytest.mark.parametrize(
    ("limit", "usd", "word", "reason"),
    [
        ("100", "1", CheckWord.PASS, "14.0% of the limit is used"),
        ("20", "1", CheckWord.WARN, "100% of the futures reach the limit before the window ends"),
        ("17", "1", CheckWord.WARN, "82.4% of the limit is used"),
        ("14", "1", CheckWord.FAIL, "100.0% of the limit is used"),
    ],
)
def test_a_check_says_why(
    tmp_path: Path, limit: str, usd: str, word: CheckWord, reason: str
) -> None:
    now = NOON + timedelta(hours=1)
    budgets = {"b": budget(limit)}
    with ledger_of(tmp_path, rows_of_days(20, usd)) as store:
        status = budget_status(store, budgets, (), now)
        ahead = outlook(store, budgets, status.rows, now, history=timedelta(days=28))
    table, strict = check_table(status, ahead), check_table(status, ahead, is_strict=True)
    (row,) = table.rows
    assert (row.verdict, row.reason) == (word, reason)
    verdicts = {CheckWord.PASS: Verdict.PASS, CheckWord.WARN: Verdict.WARN}
    assert table.verdict is verdicts.get(word, Verdict.FAIL)
    assert strict.verdict is (Verdict.PASS if word is CheckWord.PASS else Verdict.FAIL)


def test_unknown_costs_are_a_warning(tmp_path: Path) -> None:
    now = NOON + timedelta(hours=1)
    rows = [*rows_of_days(3, "1"), call(9, cost_usd=None, cost_state="unknown")]
    budgets = {"b": budget("100")}
    with ledger_of(tmp_path, rows) as store:
        status = budget_status(store, budgets, (), now)
        ahead = outlook(store, budgets, status.rows, now, history=timedelta(days=28))
    (row,) = check_table(status, ahead).rows
    assert row.verdict is CheckWord.WARN
    assert row.reason.endswith("1 call of unknown cost may have cost more")


def test_the_steps_of_a_forecast_are_made_of_the_calls_of_that_time(tmp_path: Path) -> None:
    """Asked of the ledger with a window of each length: the sums must come out alike."""
    from wai_ops.observe.reports.budget_spent import spent_between

    rows = [
        call(
            n, cost_usd=Decimal("0.01"), duration_ms=0.0, started_at=NOON - timedelta(minutes=7 * n)
        )
        for n in range(500)
    ]
    with ledger_of(tmp_path, rows) as store:
        since, until = NOON - timedelta(days=4), NOON + timedelta(hours=1)
        for step_s in (300, 3600, 86_400):
            found = spent_between(store, since, until, step_s=step_s)
            assert sum(row.cost_usd for row in found) == Decimal(5)
            for row in found:
                assert row.step_at is not None
                assert row.step_at.timestamp() % step_s == 0
            begun = {
                n.timestamp() // step_s
                for n in (NOON - timedelta(minutes=7 * k) for k in range(500))
            }
            assert {row.step_at.timestamp() // step_s for row in found if row.step_at} == begun
