"""Names that want to be markup, formulas or terminal commands stay text in every format."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reports2.rows import DECISION, put, refill
from support.calls import Call, call, end, ledger_of
from support.cli import Wai
from support.facts import NOON, ManualClock
from wai_ops.config.settings import Settings
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.anomalies import Measure, anomaly_report
from wai_ops.observe.reports.audit_cost import AuditGrouping, audit_report
from wai_ops.observe.reports.baseline import freeze, show_baseline
from wai_ops.observe.reports.conversation import ConversationKey
from wai_ops.observe.reports.kpi import kpi_report
from wai_ops.observe.reports.outcomes import Chosen, list_outcomes
from wai_ops.observe.reports.slice import Slice
from wai_ops.observe.reports.slo import SloRequest, slo_report
from wai_ops.observe.reports.timeline import timeline_report
from wai_ops.observe.reports.timeline_facts import read_facts
from wai_ops.observe.reports.tools import ToolGrouping, tools_report
from wai_ops.render.tables import render

FORMULA = "=cmd|'/c calc'!A1"
MARKUP = "<script>alert(1)</script>|**x**\n# y"
STEERING = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe"
NAMES = (FORMULA, MARKUP, STEERING)
SINCE = Slice(Window(NOON - timedelta(days=7), NOON + timedelta(days=7)))
NOW = NOON + timedelta(days=7)
CONFIG = Settings()
REPORTS: dict[str, Callable[[Store], Table[Any]]] = {
    "slo": lambda store: slo_report(store, SINCE, SloRequest(settings=CONFIG.slo, now=NOW)),
    "tools": lambda store: tools_report(store, SINCE, ToolGrouping.FAMILY, CONFIG.tools),
    "tools by tool": lambda store: tools_report(store, SINCE, ToolGrouping.TOOL, CONFIG.tools),
    "kpi": lambda store: kpi_report(store, SINCE, CONFIG, NOW),
    "anomalies": lambda store: anomaly_report(store, SINCE, Measure.COST),
    "audit-cost": lambda store: audit_report(store, SINCE, AuditGrouping.WORKFLOW),
    "timeline": lambda store: timeline_report(
        store, read_facts(store, DEAR, store.path.parent, ManualClock()), SINCE
    ),
    "outcomes": lambda store: list_outcomes(store, SINCE.window, Chosen()),
    "baseline": lambda store: show_baseline(freeze(store, SINCE, "b", CONFIG, now=NOW)),
}
FORMATS = ("table", "json", "jsonl", "csv", "md", "html")


DEAR: ConversationKey = ConversationKey(STEERING, FORMULA, "dear")


def calls() -> list[Call]:
    rows = [call(n, tenant=STEERING, workflow=FORMULA, conversation_id=f"c{n}") for n in range(120)]
    rows += [call(200 + n, workflow=name, tenant=name) for n, name in enumerate(NAMES)]
    dear = call(
        300,
        tenant=STEERING,
        workflow=FORMULA,
        conversation_id="dear",
        cost_usd=Decimal(9),
        model=MARKUP,
        error_type="unknown",
        error_message=STEERING,
        sources="client+gateway",
        gateway_cost_usd=Decimal(1),
    )
    return [*rows, dear]


def spoil(store: Store) -> Store:
    """Fill a ledger with such names."""
    names = {"tenant": STEERING, "workflow": FORMULA}
    tool = {**names, "conversation_id": "dear", "source": MARKUP}
    refill(store, calls(), [{**tool, "tool_name": name, "tool_family": name} for name in NAMES])
    decision = DECISION | names | {"conversation_id": "dear", "action": MARKUP, "rule": FORMULA}
    put(store, "decision", **decision)
    end(store, "dear", "resolved", note=FORMULA, **names)
    return store


@pytest.fixture
def hostile(wai: Wai) -> Wai:
    """`wai` over a ledger full of such names."""
    with ledger_of(wai.folder / ".wai") as store:
        spoil(store)
    return wai


@pytest.mark.parametrize("report", REPORTS)
def test_every_format_of_every_report_shows_them_as_text(store: Store, report: str) -> None:
    table = REPORTS[report](spoil(store))
    assert table.rows
    for fmt in FORMATS:
        text = render(table, fmt, terminal_width=80 if fmt == "table" else None)
        check = {"csv": is_harmless_csv, "md": is_harmless_markdown}.get(fmt, is_harmless)
        check(text)
        if fmt == "html":
            assert "<script" not in text
        if fmt == "json":
            json.loads(text)


def is_harmless(text: str) -> None:
    """Nothing steers a terminal."""
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def is_harmless_csv(text: str) -> None:
    """No cell is a formula."""
    for cells in csv.reader(io.StringIO(text, newline="")):
        for cell in cells:
            assert not cell.startswith(("=", "@", "\t", "\r")), cell


def is_harmless_markdown(text: str) -> None:
    """No markup begins, and every line of the table has the same cells."""
    is_harmless(text)
    assert "<script" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_a_name_that_cannot_be_printed_cannot_be_typed_either(hostile: Wai) -> None:
    done = hostile("report", "timeline", "dear", "--tenant", STEERING, "--workflow", FORMULA)
    assert (done.exit_code, done.stdout) == (2, "")
    is_harmless(done.stderr)
    assert "holds characters that cannot be printed" in done.stderr


def test_a_baseline_keeps_such_names_and_compares_by_them(hostile: Wai) -> None:
    assert hostile("report", "baseline", "b", "--until", "2026-04-01").exit_code == 0
    shown = hostile("report", "baseline", "show", "b")
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout + shown.stderr
    done = hostile("report", "tools", "--compare", "b", "--json")
    assert {row["call_count_delta"] for row in json.loads(done.stdout)["rows"]} == {0}


def test_the_commands_say_them_as_text_on_both_streams(hostile: Wai) -> None:
    for words in (("timeline", "dear"), ("kpi", "--since", "2026-03-01")):
        done = hostile("report", *words)
        assert done.exit_code == 0, done.stderr
        is_harmless(done.stdout + done.stderr)
    [row] = csv.DictReader(io.StringIO(hostile("outcomes", "list", "--format", "csv").stdout))
    assert row["note"] == f"'{FORMULA}"
