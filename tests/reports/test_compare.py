"""`--compare`: any report beside an earlier one, number by number."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.core.table import Column, Table, Unit, Verdict, col
from wai_ops.core.window import Window
from wai_ops.observe.reports.compare import change, compared, previous_window, values_of
from wai_ops.observe.reports.fail_on import judge, parse_rule

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    workflow: str | None = col("Workflow")
    request_count: int = col("Requests", Unit.COUNT)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    ttft_ms: float | None = col("TTFT", Unit.MS)
    last_at: datetime | None = col("Last", Unit.TIME, default=None)
    verdict: str | None = col("Verdict", default=None)


def row(workflow: str | None, count: int, cost: str | None, ttft: float | None = None) -> Row:
    return Row(
        workflow=workflow,
        request_count=count,
        cost_usd=None if cost is None else Decimal(cost),
        ttft_ms=ttft,
        last_at=NOW,
        verdict="met",
    )


def table(rows: list[Row], total: Row | None = None) -> Table[Row]:
    return Table(row_type=Row, rows=rows, total=total, title="T", verdict=Verdict.PASS)


def test_each_number_is_followed_by_its_change_and_words_by_nothing() -> None:
    made = compared(
        table([row("a", 3, "0.30", 100.5)]), table([row("a", 2, "0.20", 201)]), "before"
    )
    assert made.columns is not None
    assert made.columns[:4] == (
        Column("workflow", "Workflow", Unit.TEXT),
        Column("request_count", "Requests", Unit.COUNT),
        Column("request_count_delta", "Requests +/-", Unit.COUNT),
        Column("request_count_change_ratio", "Requests change", Unit.RATIO),
    )
    assert values_of(made.rows[0], made.columns) == {
        "workflow": "a",
        "request_count": 3,
        "request_count_delta": 1,
        "request_count_change_ratio": 0.5,
        "cost_usd": Decimal("0.30"),
        "cost_usd_delta": Decimal("0.10"),
        "cost_usd_change_ratio": 0.5,
        "ttft_ms": 100.5,
        "ttft_ms_delta": -100.5,
        "ttft_ms_change_ratio": -0.5,
        "last_at": NOW,
        "verdict": "met",
    }
    assert made.notes == ("compared with before",)
    assert made.verdict is Verdict.PASS


def test_rows_are_matched_by_name_and_a_name_that_is_gone_stays_to_be_seen() -> None:
    made = compared(
        table([row("b", 1, None), row(None, 4, "1")]),
        table([row("a", 2, "5"), row(None, 1, "1"), row("b", 1, "2")]),
        "before",
    )
    assert made.columns is not None
    rows = [values_of(item, made.columns) for item in made.rows]
    assert [item["workflow"] for item in rows] == ["b", None, "a"]
    assert [item["request_count_delta"] for item in rows] == [0, 3, -2]
    assert [item["cost_usd_delta"] for item in rows] == [None, Decimal(0), None]
    assert (rows[2]["request_count"], rows[2]["cost_usd"], rows[2]["verdict"]) == (0, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    day: str | None = col("Day (UTC)")
    request_count: int = col("Requests", Unit.COUNT)


@pytest.mark.parametrize(
    ("hours", "deltas"),
    [
        (48, {"2026-03-03": 5, "2026-03-04": 7, None: -1}),
        (
            36,
            {"2026-03-03": 10, "2026-03-04": 20, "2026-03-01": -5, "2026-03-02": -13, None: -1},
        ),
    ],
)
def test_days_are_matched_in_their_order_where_the_period_is_whole_days(
    hours: int, deltas: dict[str | None, int]
) -> None:
    now = [DayRow(day="2026-03-03", request_count=10), DayRow(day="2026-03-04", request_count=20)]
    before = [
        DayRow(day="2026-03-01", request_count=5),
        DayRow(day="2026-03-02", request_count=13),
        DayRow(day=None, request_count=1),
    ]
    made = compared(
        Table(row_type=DayRow, rows=now),
        Table(row_type=DayRow, rows=before),
        "before",
        shift=timedelta(hours=hours),
    )
    assert made.columns is not None
    found = {row[0]: row[2] for row in made.rows}
    assert found == deltas


def test_totals_are_compared_as_well_and_rules_see_the_changes() -> None:
    made = compared(table([], row("total", 9, "3")), table([], row("total", 6, "1.5")), "before")
    assert made.columns is not None
    assert values_of(made.total, made.columns)["cost_usd_change_ratio"] == 1.0
    assert judge(made, parse_rule("cost_usd_change_ratio > 0.9")).verdict is Verdict.FAIL


def test_a_total_that_was_not_there_counts_nothing() -> None:
    made = compared(table([], row("total", 9, "3")), table([]), "before")
    assert made.columns is not None
    total = values_of(made.total, made.columns)
    assert (total["request_count_delta"], total["request_count_change_ratio"]) == (9, None)
    assert total["cost_usd_delta"] is None


@given(
    st.none() | st.integers(-(10**9), 10**9) | st.decimals(-(10**9), 10**9, places=12),
    st.none() | st.integers(-(10**9), 10**9) | st.decimals(-(10**9), 10**9, places=12),
)
def test_differences_are_exact_and_never_made_of_nothing(
    now: int | Decimal | None, before: int | Decimal | None
) -> None:
    delta, ratio = change(now, before)
    if now is None or before is None:
        assert (delta, ratio) == (None, None)
        return
    assert delta == Decimal(now) - Decimal(before)
    assert (ratio is None) == (before == 0)


def test_the_previous_window_is_as_long_and_ends_where_this_one_begins() -> None:
    day = timedelta(days=1)
    assert previous_window(Window(NOW - day, NOW), now=NOW) == Window(NOW - 2 * day, NOW - day)
    assert previous_window(Window(NOW - day, None), now=NOW) == Window(NOW - 2 * day, NOW - day)


def test_without_a_beginning_there_is_no_previous_window() -> None:
    with pytest.raises(UsageError) as caught:
        previous_window(Window(None, NOW), now=NOW)
    assert caught.value.hint == "add --since 7d"
    with pytest.raises(UsageError):
        previous_window(Window(datetime(3, 1, 1, tzinfo=UTC), NOW), now=NOW)
