"""`wai report html`: the whole way from the ledger to one page."""

import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest

from support.browser import load
from support.calls import call, end, hours, ledger_of
from support.cli import Wai
from support.facts import NOON
from wai_ops.config.settings import Settings
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.overview import build_overview
from wai_ops.observe.reports.slice import Condition, Dimension, Slice

HOSTILE = "<script>document.title='pwned'</script>"
SECTIONS = ("kpi", "cost", "failures", "affinity", "cache", "slo", "tools", "anomalies")
DAYS = Slice(
    Window(NOON.replace(day=13, hour=0, microsecond=0), NOON.replace(day=16, hour=0, microsecond=0))
)


@contextmanager
def filled(folder: Path) -> Iterator[Store]:
    """Three workflows over three days, one failure, one conversation resolved."""
    rows = [
        call(1, started_at=hours(-24), affinity_result="hit", cacheable_tokens=800),
        call(2, conversation_id="c2", affinity_result="miss", affinity_cause="cold"),
        call(3, workflow="billing", started_at=hours(24), gateway_cost_usd=Decimal("0.0002")),
        call(4, workflow=HOSTILE, error_type="capacity", error_message=HOSTILE, cost_state="none"),
    ]
    with ledger_of(folder, rows) as store:
        end(store, "c1", "resolved")
        yield store


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_page_holds_every_section_and_the_figures_of_the_reports(
    wai: Wai, project: Path, tmp_path: Path
) -> None:
    with filled(project / ".wai"):
        pass
    window = ("--since", "2026-03-01", "--until", "2026-04-01")
    ran = wai("report", "html", *window, "--output", "report.html")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == "wai: wrote report.html\n"
    page = (project / "report.html").read_text("utf-8")
    for key in (*SECTIONS, "audit-cost"):
        assert f'<section class="card" id="{key}">' in page
        assert f'<a href="#{key}">' in page
    text = text_of(page)
    assert "2026-03-01 00:00 to 2026-04-01 00:00 (UTC)" in text
    for line in wai("report", "cost", *window).stdout.splitlines()[2:]:
        workflow, *cells = line.split()
        assert workflow in text
        assert all(cell in text for cell in cells)
    assert "Cost by day, as far as it can be believed: " in text
    assert "Nothing of this in the window." in text  # no tool was called
    loaded = load(lambda _: page, tmp_path)
    assert "<title>Agent operations</title>" in loaded.dom
    assert loaded.paths == ["/report.html"]
    assert loaded.requests == []


def test_an_empty_ledger_makes_a_page_that_says_so(wai: Wai) -> None:
    ran = wai("report", "html")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("<!doctype html>")
    assert ran.stdout.count('<p class="blank">Nothing of this in the window.</p>') == 9
    assert "<svg" not in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "soon"], "--since 'soon' is not a time"),
        (["--where", "colour=red"], "there is no 'colour'"),
        (["--output", "none/report.html"], "the folder none does not exist"),
    ],
)
def test_a_mistake_is_said_before_anything_is_written(
    wai: Wai, project: Path, arguments: list[str], message: str
) -> None:
    ran = wai("report", "html", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr
    assert not (project / ".wai" / "ledger.duckdb").exists()


def test_a_page_replaces_a_page_whole(wai: Wai, project: Path) -> None:
    old = project / "report.html"
    old.write_text("old")
    old.chmod(0o640)
    assert wai("report", "html", "-o", "report.html").exit_code == 0
    assert old.read_text("utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert [path.name for path in project.glob("*.part")] == []


def test_the_tables_of_the_page_are_those_of_the_reports(tmp_path: Path) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    with filled(tmp_path) as store:
        overview = build_overview(store, DAYS, Settings(state_dir=tmp_path), now=now)
        cost = next(section for section in overview.sections if section.key == "cost")
        assert cost.exhibits[0].table == cost_report(store, DAYS, Dimension.WORKFLOW)
    assert cost.exhibits[0].command == (
        "wai report cost --by workflow --since 2026-03-13T00:00:00Z --until 2026-03-16T00:00:00Z"
    )
    silent = [section.key for section in overview.sections if section.silence]
    assert silent == ["tools", "anomalies"]


def test_the_command_below_a_table_is_safe_to_paste(tmp_path: Path) -> None:
    where = (Condition(Dimension.WORKFLOW, "x'; touch pwned; '"),)
    part = Slice(DAYS.window, where)
    with filled(tmp_path) as store:
        overview = build_overview(store, part, Settings(state_dir=tmp_path), now=NOON)
    for section in overview.sections:
        for exhibit in section.exhibits:
            words = shlex.split(exhibit.command)
            assert words[:2] == ["wai", "report"]
            assert words[-1] == "workflow=x'; touch pwned; '"


def test_a_condition_that_tools_do_not_carry_silences_them_alone(wai: Wai, project: Path) -> None:
    with filled(project / ".wai"):
        pass
    page = wai("report", "html", "--where", "target=cloudflare")
    assert page.exit_code == 0, page.stderr
    assert page.stdout.count("Tool calls do not carry what the page was asked for") == 1
