"""`wai report baseline`: a period frozen to a file that proves itself, and comparisons with it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reports2.rows import put_tool, refill
from support.calls import call, end, hours
from support.cli import Wai
from support.facts import attempt, record_attempts
from wai_ops.config.settings import Settings
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.baseline import (
    Baseline,
    check_name,
    freeze,
    load_baseline,
    show_baseline,
    to_earlier,
    to_file_text,
)
from wai_ops.observe.reports.compare import compared, compared_with
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.slice import Dimension, Slice, parse_where
from wai_ops.observe.reports.slo import SloRequest, slo_report
from wai_ops.observe.reports.tools import ToolGrouping, tools_report

NOW = hours(30)
BEFORE = Slice(Window(hours(-24), hours(12)))
AFTER = Slice(Window(hours(12), NOW))
ROWS = [
    call(1, conversation_id="c1"),
    call(2, conversation_id="c2", workflow="answer", error_type="capacity", tenant=None),
    call(3, conversation_id="c3", started_at=hours(13), ttft_ms=1999.0),
    call(4, conversation_id="c4", started_at=hours(14), workflow="new"),
]


@pytest.fixture
def full(store: Store) -> Store:
    """A ledger with two periods in it."""
    refill(store, ROWS, [{"output_tokens": 70.0}])
    end(store, "c1", "resolved")
    put_tool(store, started_at=hours(13))
    return store


def frozen(store: Store, part: Slice = BEFORE) -> Baseline:
    return freeze(store, part, "before", Settings(), now=NOW)


def test_the_same_window_gives_the_same_bytes_and_they_can_be_read_back(
    full: Store, tmp_path: Path
) -> None:
    text = to_file_text(frozen(full))
    assert text == to_file_text(frozen(full))
    path = tmp_path / "before.json"
    path.write_text(text)
    assert load_baseline(path) == frozen(full)
    body = json.loads(text)
    assert body["window"] == {
        "since": "2026-03-13T12:00:00.250000Z",
        "until": "2026-03-15T00:00:00.250000Z",
    }
    assert {key.split()[0] for key in body["reports"]} == {
        "cost",
        "slo",
        "cache",
        "affinity",
        "failures",
        "tools",
        "kpi",
    }


def test_an_open_window_ends_when_it_is_frozen(full: Store) -> None:
    part = Slice(Window(None, None), parse_where(["workflow!=new"]))
    found = freeze(full, part, "x", Settings(), now=NOW)
    assert (found.since, found.until, list(found.where)) == (None, NOW, ["workflow!=new"])


@pytest.mark.parametrize("by", [Dimension.WORKFLOW, Dimension.TENANT, Dimension.MODEL])
def test_comparing_with_a_file_gives_what_comparing_with_the_period_gives(
    full: Store, tmp_path: Path, by: Dimension
) -> None:
    path = tmp_path / "before.json"
    path.write_text(to_file_text(frozen(full)))
    read = load_baseline(path)
    now = cost_report(full, AFTER, by)
    same(compared(now, cost_report(full, BEFORE, by), "x"), with_file(now, read, "cost", by))
    if by is not Dimension.TENANT:

        def slo(part: Slice) -> Table[Any]:
            return slo_report(full, part, SloRequest(settings=Settings().slo, now=NOW, by=by))

        same(compared(slo(AFTER), slo(BEFORE), "x"), with_file(slo(AFTER), read, "slo", by))
    grouping = ToolGrouping.TOOL

    def tools(part: Slice) -> Table[Any]:
        return tools_report(full, part, grouping, Settings().tools)

    expected = compared(tools(AFTER), tools(BEFORE), "x")
    same(expected, with_file(tools(AFTER), read, "tools", grouping))


def with_file(table: Table[Any], read: Baseline, command: str, by: str) -> Table[Any]:
    return compared_with(table, to_earlier(read, command, str(by))(table))


def same(one: Table[Any], other: Table[Any]) -> None:
    assert one.rows
    assert (list(one.rows), one.total, one.columns) == (
        list(other.rows),
        other.total,
        other.columns,
    )


def test_a_file_that_was_changed_is_refused(full: Store, tmp_path: Path) -> None:
    text = to_file_text(frozen(full))
    path = tmp_path / "before.json"
    spent = json.loads(text)["reports"]["cost workflow"]["total"]["cost_usd"]
    for changed in (
        text.replace(spent, "0.000000000001", 1),
        text[:-20],
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps(json.loads(text) | {"format": "wai baseline 2"}),
    ):
        path.write_text(changed)
        with pytest.raises(DataError, match="is no baseline of wai, or was changed"):
            load_baseline(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError):
        load_baseline(path)
    with pytest.raises(UsageError, match="there is no baseline gone"):
        load_baseline(tmp_path / "gone.json")


def test_a_report_that_it_does_not_hold_cannot_be_compared(full: Store) -> None:
    with pytest.raises(UsageError, match="holds no report 'cost day'"):
        to_earlier(frozen(full), "cost", "day")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "list", "show", "previous", "-x", "x" * 65])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a baseline"):
        check_name(name)


def test_show_lists_every_number_once(full: Store) -> None:
    found = frozen(full)
    rows = list(show_baseline(found).rows)
    assert len({(row.report, row.row, row.measure) for row in rows}) == len(rows)
    told = {(row.report, row.row, row.measure): row.value for row in rows}
    assert told["cost workflow", "total", "request_count"] == "2"
    assert Decimal(told["cost workflow", "triage", "cost_usd"]) == Decimal("0.000123456789")
    assert told["slo workflow", "triage", "ttft_p95_ms"] == "210.0"


def test_the_command_writes_lists_shows_compares_and_overwrites_only_by_force(wai: Wai) -> None:
    record_attempts(wai.folder / ".wai", [attempt(1), attempt(2, workflow="other")])
    window = ("--since", "2026-03-01", "--until", "2026-04-01")
    done = wai("report", "baseline", "march", *window)
    assert (done.exit_code, done.stdout) == (0, "")
    path = wai.folder / "baselines" / "march.json"
    content = path.read_bytes()
    refused = wai("report", "baseline", "march")
    assert (refused.exit_code, path.read_bytes()) == (2, content)
    assert "there is a baseline march already" in refused.stderr
    assert wai("report", "baseline", "march", *window, "--force").exit_code == 0
    assert path.read_bytes() == content
    [row] = json.loads(wai("report", "baseline", "list", "--json").stdout)["rows"]
    assert (row["name"], row["request_count"], row["cost_usd"], row["problem"]) == (
        "march",
        2,
        "0.000246913578",
        None,
    )
    shown = wai("report", "baseline", "show", "march", "--format", "csv")
    assert shown.stdout.startswith("report,row,measure,value\r\n")
    later = wai("report", "cost", "--compare", "march", "--json")
    assert later.exit_code == 0, later.stderr
    assert [r["request_count_delta"] for r in json.loads(later.stdout)["rows"]] == [0, 0]
    assert "compared with baseline march: 2026-03-01 00:00 to 2026-04-01 00:00" in later.stderr
    unheld = wai("report", "cost", "--by", "day", "--compare", "march")
    assert (unheld.exit_code, unheld.stdout) == (2, "")
    assert wai("report", "cost", "--compare", "april").exit_code == 2
    path.write_bytes(content.replace(b"0.000", b"9.000", 1))
    assert wai("report", "cost", "--compare", "march").exit_code == 6
    [row] = json.loads(wai("report", "baseline", "list", "--json").stdout)["rows"]
    assert row["problem"] == "is no baseline of wai, or was changed since it was written"
    for words in (("show",), ("a", "b"), ("list", "x"), ("show", "../march")):
        assert wai("report", "baseline", *words).exit_code == 2


def test_a_condition_that_tools_do_not_carry_leaves_them_out(full: Store) -> None:
    part = Slice(BEFORE.window, parse_where(["gateway="]))
    assert not any(key.startswith("tools") for key in frozen(full, part).reports)
    assert any(key.startswith("tools") for key in frozen(full).reports)
