"""`wai report slo`: exact against plain Python, whatever the window and whoever answers."""

import json
import tempfile
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports2.oracle import known_cost, quantile_ms
from reports2.rows import refill
from support.calls import Call, call, hours, ledger_of
from support.cli import Wai
from support.facts import NOON, attempt, record_attempts
from wai_ops.config.settings import SloSettings, SloTargets
from wai_ops.core.errors import UsageError
from wai_ops.core.money import COST_DIGITS
from wai_ops.core.table import Table, Verdict
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.slice import Dimension, Slice, parse_where
from wai_ops.observe.reports.slo import SloNumbers, SloRequest, TtftSource, slo_report

NOW = hours(24)
ALWAYS = Slice(Window(None, None))


def report(store: Store, part: Slice = ALWAYS, **asked: Any) -> Table[SloNumbers]:
    """The report with no targets, seen a day after noon."""
    request: dict[str, Any] = {"settings": SloSettings(), "now": NOW, **asked}
    return slo_report(store, part, SloRequest(**request))


def rows_of(table: Table[SloNumbers], by: str = "workflow") -> dict[str | None, SloNumbers]:
    found = {getattr(row, by): row for row in table.rows}
    if table.total is not None:
        found["total"] = table.total
    return found


QUARTERS = st.integers(0, 2_000_000).map(lambda n: n / 4)
"""Times that a float holds exactly, many of them on the edge of rounding."""
parts = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["m1", "m2"]),
    st.integers(0, 96),
    st.sampled_from([None, "capacity", "server_error"]),
    st.booleans(),
    st.one_of(st.none(), QUARTERS),
    st.one_of(st.none(), QUARTERS),
    st.sampled_from(["metered", "confirmed", "unknown", "none"]),
    st.decimals(min_value=0, max_value=99, places=12),
)


def made(drawn: list[tuple[Any, ...]]) -> list[Call]:
    rows = []
    for number, (workflow, model, hour, error, is_last, ttft, took, state, cost) in enumerate(
        drawn
    ):
        known = None if state == "unknown" else Decimal(0) if state == "none" else cost
        rows.append(
            call(
                number,
                workflow=workflow,
                model=model,
                started_at=hours(hour - 48),
                error_type=error,
                is_last=is_last,
                ttft_ms=ttft,
                duration_ms=took,
                cost_state=state,
                cost_usd=known,
            )
        )
    return rows


def agrees(row: SloNumbers, calls: list[Call]) -> None:
    """One row says what plain Python says of its calls."""
    last = [item for item in calls if item["is_last"]]
    failed = [item for item in last if item["error_type"]]
    assert (row.ended_run_count, row.failed_run_count) == (len(last), len(failed))
    ok = len(last) - len(failed)
    assert row.completion_ratio == (ok / len(last) if last else None)
    for measure in ("ttft", "duration"):
        values = [item[f"{measure}_ms"] for item in calls]
        for percent in (50, 95, 99):
            shown = getattr(row, f"{measure}_p{percent}_ms")
            assert shown == quantile_ms(values, percent), (measure, percent)
    cost = known_cost(calls)
    if cost is None or not ok:
        assert row.cost_per_success_usd is None
    else:
        assert row.cost_per_success_usd == (cost / ok).quantize(COST_DIGITS)


@settings(max_examples=20)
@given(st.lists(parts, max_size=40), st.integers(0, 96), st.integers(1, 96))
def test_every_figure_agrees_with_plain_python_in_any_window(
    store: Store, drawn: list[tuple[Any, ...]], first: int, length: int
) -> None:
    rows = made(drawn)
    window = Window(hours(first - 48.25), hours(first - 48.25 + length))
    assert window.since is not None
    assert window.until is not None
    inside = [row for row in rows if window.since <= row["started_at"] < window.until]
    refill(store, rows)
    for by in (Dimension.WORKFLOW, Dimension.MODEL):
        table = report(store, Slice(window), by=by)
        bare = report(store, Slice(window), by=by, is_rolled=False)
        assert (table.rows, table.total) == (bare.rows, bare.total)
        groups: dict[Any, list[Call]] = defaultdict(list)
        for row in inside:
            groups[row[by.value]].append(row)
        found = rows_of(table, by.value)
        assert set(found) == set(groups) | ({"total"} if inside else set())
        for name, calls in groups.items():
            agrees(found[name], calls)
        if inside:
            agrees(found["total"], inside)


def test_targets_are_of_workflows_and_the_verdict_is_of_each() -> None:
    rows = [call(n, workflow="chat", ttft_ms=100.0 * n) for n in range(1, 21)]
    rows += [call(n, workflow="slow", ttft_ms=5000.0) for n in range(30, 35)]
    rows += [call(n, workflow="dark", ttft_ms=None) for n in range(40, 42)]
    settings = SloSettings(ttft_p95_ms=1900, workflows={"chat": SloTargets(ttft_p95_ms=1899.9)})
    with tempfile.TemporaryDirectory() as folder, ledger_of(Path(folder), rows) as store:
        found = rows_of(report(store, settings=settings))
        assert found["chat"].ttft_p95_ms == 1900.0
        told = {name: row.verdict for name, row in found.items()}
        assert told == {"chat": "fail", "slow": "fail", "dark": "unknown", "total": None}
        table = report(store, settings=settings)
        assert table.verdict is None
        assert report(store, settings=settings, is_checked=True).verdict is Verdict.FAIL
        dark = Slice(Window(None, None), parse_where(["workflow=dark"]))
        assert report(store, dark, settings=settings, is_checked=True).verdict is Verdict.WARN
        fine = SloSettings(ttft_p95_ms=5000, workflows={"dark": SloTargets(completion_ratio=None)})
        chat = Slice(Window(None, None), parse_where(["workflow=chat"]))
        assert report(store, chat, settings=fine, is_checked=True).verdict is Verdict.PASS
        with pytest.raises(UsageError, match="there is no target"):
            report(store, is_checked=True)


def test_burn_rates_look_back_from_the_end_of_the_window() -> None:
    def at(age_h: float, number: int, error: str | None) -> Call:
        return call(number, started_at=NOW - timedelta(hours=age_h), error_type=error)

    rows = [at(0.5, 1, "capacity"), at(0.6, 2, None)]
    rows += [at(5, 3, "capacity"), at(5, 4, None), at(20, 5, None), at(60, 6, None)]
    rows += [at(80, 7, "capacity"), at(72, 8, "capacity")]
    settings = SloSettings(completion_ratio=Decimal("0.9"))
    with tempfile.TemporaryDirectory() as folder, ledger_of(Path(folder), rows) as store:
        row = rows_of(report(store, settings=settings))["triage"]
        assert (row.burn_1h, row.burn_6h) == (Decimal("5.00"), Decimal("5.00"))
        assert (row.burn_1d, row.burn_3d) == (Decimal("4.00"), Decimal("4.29"))
        assert row.burn_window == Decimal("5.00")
        assert (row.alert, row.verdict) == ("slow", "fail")
        assert (row.allowed_failures, row.remaining_failures) == (Decimal("0.8"), Decimal("-3.2"))
        assert row.budget_left_ratio == -4.0
        early = Slice(Window(None, NOW - timedelta(hours=78.5)))
        before = rows_of(report(store, early, settings=settings))["triage"]
        assert (before.burn_1h, before.burn_3d) == (None, Decimal("10.00"))


def test_the_gateways_latency_is_used_only_when_asked_for() -> None:
    rows = [
        call(1, sources="gateway only", ttft_ms=None, gateway_latency_ms=123.4),
        call(2, sources="client+gateway", ttft_ms=800.0, gateway_latency_ms=700.0),
    ]
    with tempfile.TemporaryDirectory() as folder, ledger_of(Path(folder), rows) as store:
        own = report(store)
        asked = report(store, ttft_source=TtftSource.GATEWAY)
    assert [row.ttft_p50_ms for row in own.rows] == [800.0]
    assert [row.ttft_p50_ms for row in asked.rows] == [123.0]
    assert any("of 1 of 2 requests (50.0%)" in note for note in own.notes)
    assert any("undocumented" in note for note in asked.notes)


def test_an_empty_ledger_has_no_rows_and_says_why_there_are_no_verdicts() -> None:
    with tempfile.TemporaryDirectory() as folder, ledger_of(Path(folder)) as store:
        table = report(store)
    assert (list(table.rows), table.total) == ([], None)
    assert "wai.yaml has no targets under slo, so there are no verdicts" in table.notes


def test_check_ends_with_1_only_when_a_target_is_missed(wai: Wai) -> None:
    record_attempts(
        wai.folder / ".wai", [attempt(1), attempt(2, error_type="capacity", workflow="other")]
    )
    options = ("report", "slo", "--since", "2026-03-01", "--json")
    assert wai(*options, "--check").exit_code == 2
    (wai.folder / "wai.yaml").write_text('version: "1"\nslo: {completion_ratio: 0.5}\n')
    quiet = wai(*options)
    assert quiet.exit_code == 0
    told = json.loads(quiet.stdout)
    assert told["verdict"] is None
    assert {row["workflow"]: row["verdict"] for row in told["rows"]} == {
        "triage": "pass",
        "other": "fail",
    }
    assert wai(*options, "--check").exit_code == 1
    assert wai(*options, "--check", "--where", "workflow=triage").exit_code == 0
    assert wai(*options, "--fail-on", "any(ttft_p95_ms > 200)").exit_code == 1
    assert wai(*options, "--fail-on", "any(ttft_p95_ms > 210)").exit_code == 0


def test_without_since_the_window_is_the_one_of_the_settings(wai: Wai) -> None:
    record_attempts(wai.folder / ".wai", [attempt(1, started_at=NOON)])
    assert json.loads(wai("report", "slo", "--json").stdout)["rows"] == []
    (wai.folder / "wai.yaml").write_text('version: "1"\nslo: {window: 9999w}\n')
    assert len(json.loads(wai("report", "slo", "--json").stdout)["rows"]) == 1
