"""`wai report kpi`: the mission's three numbers, from the same queries as the long reports."""

import json
from decimal import Decimal
from typing import Any

from reports2.rows import put_tool, refill
from support.calls import Call, call, end, hours
from support.cli import Wai
from support.facts import NOON
from wai_ops.config.settings import CacheSettings, Settings, SloSettings, SloTargets, ToolSettings
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.cache import cache_report
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.kpi import KpiRow, kpi_report, worst_of
from wai_ops.observe.reports.slice import Slice, parse_where

NOW = hours(1)
WINDOW = Slice(Window(hours(-23), NOW))
CONFIG = Settings(
    slo=SloSettings(
        cost_per_resolved_usd=Decimal("0.30"),
        workflows={"invoice": SloTargets(cost_per_resolved_usd=Decimal("0.10"))},
    ),
    cache=CacheSettings(target_ratio=Decimal("0.4"), workflows={"invoice": Decimal("0.5")}),
    tools=ToolSettings(output_tokens_p95={"search": 50}),
)


def one(number: int, conversation: str, cost: str, **changes: object) -> Call:
    return call(
        number,
        conversation_id=conversation,
        cost_usd=Decimal(cost),
        **{"workflow": "support", **changes},
    )


NOW_ROWS = [
    one(1, "c1", "0.10"),
    one(2, "c1", "0.05", cost_state="estimated"),
    one(3, "c2", "0.20", error_type="capacity"),
    one(4, "c3", "0.00", cost_state="unknown"),
    one(5, "i1", "0.40", workflow="invoice", cached_input_tokens=None),
]
BEFORE_ROWS = [
    one(10, "b1", "0.60", started_at=hours(-30), cached_input_tokens=100),
]


def report(store: Store, part: Slice = WINDOW) -> Table[KpiRow]:
    """The page, and proof that the long reports say the same."""
    refill(store, [*NOW_ROWS, *BEFORE_ROWS])
    for conversation, outcome in (("c1", "resolved"), ("c2", "failed"), ("b1", "resolved")):
        end(store, conversation, outcome, workflow="support")
    for tokens in (40.0, 60.0):
        put_tool(store, output_tokens=tokens)
    put_tool(store, output_tokens=30.0, started_at=hours(-30))
    table = kpi_report(store, part, CONFIG, NOW)
    costs: dict[Any, Any] = {vars(row)["workflow"]: row for row in cost_report(store, part).rows}
    caches: dict[Any, Any] = {vars(row)["workflow"]: row for row in cache_report(store, part).rows}
    for row in table.rows:
        if row.kind == "workflow":
            assert row.resolved_cost_usd == costs[row.name].resolved_cost_usd
            assert row.cached_input_ratio == caches[row.name].cached_input_ratio
    return table


def test_each_number_with_its_target_trend_and_base(store: Store) -> None:
    rows = {(row.kind, row.name): row for row in report(store).rows}
    support = rows["workflow", "support"]
    assert support.resolved_cost_usd == Decimal("0.30")  # 0.10 + 0.20, for one resolved
    assert support.resolved_cost_target_usd == Decimal("0.30")
    assert support.resolved_cost_change_ratio == -0.5
    assert support.cached_input_ratio == 0.4
    assert support.cached_input_target_ratio == Decimal("0.4")
    assert support.cached_input_delta_ratio is not None
    assert round(support.cached_input_delta_ratio, 12) == 0.3
    assert support.verdict == "pass"
    assert support.basis == (
        "1 resolved, 2 of 3 conversations with an outcome; 2 of 4 calls with a known cost,"
        " 4 report cached input"
    )
    invoice = rows["workflow", "invoice"]
    assert (invoice.resolved_cost_usd, invoice.cached_input_ratio) == (None, None)
    assert (invoice.verdict, invoice.cached_input_target_ratio) == ("unknown", Decimal("0.5"))
    search = rows["tool family", "search"]
    assert (search.output_tokens_p95, search.output_tokens_p95_target) == (60.0, 50)
    assert (search.output_tokens_p95_change_ratio, search.verdict) == (1.0, "fail")
    assert search.basis == "2 of 2 tool calls with output tokens, from otlp"


def test_the_total_is_of_everything_and_has_no_target(store: Store) -> None:
    total = report(store).total
    assert total is not None
    assert total.resolved_cost_usd == Decimal("0.70")
    assert total.output_tokens_p95 == 60.0
    assert (total.resolved_cost_target_usd, total.verdict) == (None, None)


def test_without_a_beginning_there_is_no_trend_and_the_notes_say_so(store: Store) -> None:
    table = report(store, Slice(Window(None, NOW)))
    assert "no trend: the window has no beginning; add --since 30d" in table.notes
    assert {row.resolved_cost_change_ratio for row in table.rows} == {None}


def test_a_condition_that_tools_do_not_carry_leaves_them_out(store: Store) -> None:
    table = report(store, Slice(WINDOW.window, parse_where(["gateway=default"])))
    assert {row.kind for row in table.rows} == {"workflow"}
    assert any("no tool families here" in note for note in table.notes)


def test_a_missed_target_weighs_most() -> None:
    assert worst_of(["pass", None, "unknown", "fail"]) == "fail"
    assert worst_of(["pass", None, "unknown"]) == "unknown"
    assert worst_of([None, "pass"]) == "pass"
    assert worst_of([None]) is None


def test_the_command_answers_an_empty_ledger(wai: Wai) -> None:
    done = wai("report", "kpi", "--json", "--since", f"{NOON:%Y-%m-%d}")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["rows"], told["total"]) == ([], None)
    assert any("see: wai outcomes record" in note for note in told["notes"])
