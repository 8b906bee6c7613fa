"""Charts in a terminal: as wide as it is, in its characters, and steering nothing."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from support.calls import call, ledger_of
from support.cli import Wai
from wai_ops.core.errors import UsageError
from wai_ops.core.plot import Mark, Plot
from wai_ops.core.table import Table, Unit, col
from wai_ops.render.plot import NARROWEST, WIDEST, to_plots


@dataclass(frozen=True, kw_only=True)
class Row:
    """Numbers of one workflow."""

    workflow: str = col("Workflow")
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    retried: Decimal | None = col("Retried", Unit.USD)
    ratio: float | None = col("Cached share", Unit.RATIO)
    target: float | None = col("Target", Unit.RATIO)
    p50: float | None = col("p50", Unit.MS)
    p95: float | None = col("p95", Unit.MS)


@dataclass(frozen=True, kw_only=True)
class Day:
    """Numbers of one day."""

    day: date = col("Day (UTC)")
    metered: Decimal | None = col("Metered", Unit.USD)
    estimated: Decimal | None = col("Estimated", Unit.USD)


COST = Plot(
    title="Cost", mark=Mark.BARS, values=("retried",), whole="cost_usd", rest="Useful", parts="lost"
)
SHARE = Plot(title="Cached", mark=Mark.BARS, values=("ratio",), target="target")
TTFT = Plot(title="TTFT", mark=Mark.RANGES, values=("p50", "p95"))
STATES = Plot(title="Cost", mark=Mark.LINES, values=("metered", "estimated"))
STACKED = replace(STATES, mark=Mark.COLUMNS)
EVERY = (COST, SHARE, TTFT, replace(COST, mark=Mark.SHARES))


def rows(*names: str) -> list[Row]:
    return [
        Row(
            workflow=name,
            cost_usd=Decimal(n),
            retried=Decimal(n) / 4,
            ratio=n / 10,
            target=0.25,
            p50=100.0 * n,
            p95=900.0 * n,
        )
        for n, name in enumerate(names, start=1)
    ]


def days(*counts: int | None) -> list[Day]:
    start = date(2026, 3, 1)
    return [
        Day(
            day=start + timedelta(days=n),
            metered=None if count is None else Decimal(count),
            estimated=Decimal(1),
        )
        for n, count in enumerate(counts)
    ]


def plotted(made: Sequence[Any], *plots: Plot, width: int = 60, **how: bool) -> str:
    table: Table[Any] = Table(row_type=type(made[0]) if made else Row, rows=made)
    options = {"has_colour": False, "is_unicode": True} | how
    return to_plots(table, plots, width=width, **options)


def test_bars_are_as_long_as_their_values_and_their_parts_are_told_apart() -> None:
    text = plotted(rows("a", "bb"), COST)
    title, first, second, axis, legend = text.splitlines()[1:]
    assert title == "Cost by workflow: $3.00, of it $0.75 (25.0%) lost"
    assert re.fullmatch(r" a █+▒+ \$1\.00", first)
    assert re.fullmatch(r"bb █+▒+ \$2\.00", second)
    for glyph in "█▒":
        assert abs(second.count(glyph) - 2 * first.count(glyph)) <= 2
    assert abs(second.count("█") - 3 * second.count("▒")) <= 3
    assert axis.split()[0] == "$0.00"
    assert legend == "█ Useful  ▒ Retried"


def test_a_target_stands_across_its_bar_and_what_is_unknown_has_none() -> None:
    made = [*rows("a", "b", "c"), replace(rows("d")[0], ratio=None)]
    lines = plotted(made, SHARE).splitlines()
    assert lines[1] == "Cached by workflow: 2 of 3 below target"
    assert lines[2].index("|") == lines[4].index("|")
    assert re.search(r"█\|█+ 30\.0%", lines[4])
    assert "█" not in lines[5]
    assert "unknown" in lines[5]
    assert lines[-1] == "| target"


def test_quantiles_are_points_on_a_line() -> None:
    lines = plotted(rows("a", "b"), TTFT).splitlines()
    assert re.fullmatch(r"a +o-+x", lines[2].rstrip())
    assert re.fullmatch(r"b +o-+x", lines[3].rstrip())
    assert lines[-1] == "o p50  x p95"


def test_days_run_from_the_first_to_the_last_and_a_gap_stays_a_gap() -> None:
    text = plotted(days(3, None, 3), STATES)
    assert "Cost by day: metered $6.00, estimated $3.00" in text
    assert "2026-03-01" in text
    assert "2026-03-03" in text
    [top] = [
        line for line in text.splitlines() if "o" in line and "Cost" not in line and "x" not in line
    ]
    assert top.count("o") == 2  # joined, it would be a line of them
    assert plotted(days(3, None, 3), STACKED).count("█") > plotted(days(1, None, 3), STACKED).count(
        "█"
    )


@pytest.mark.parametrize("plot", EVERY)
@pytest.mark.parametrize("width", [1, 40, 41, 80, 119, 5000])
def test_no_line_is_wider_than_the_terminal(plot: Plot, width: int) -> None:
    names = (
        "a",
        "日本語ワークフローの長い名前です",
        "a very long name of a workflow " * 3,
        "é" * 70,
    )
    wide = max(map(cell_len, plotted(rows(*names), plot, width=width).splitlines()))
    assert wide <= max(NARROWEST, min(width, WIDEST))


HOSTILE = ("\x1b[2J\x1b]0;pwned\x07", "\u202egnp.exe", "a\nb\rc\td", "\x00\x7f\x9b31m", "<U+202E>")


@pytest.mark.parametrize("plot", EVERY)
@pytest.mark.parametrize("how", [{}, {"is_unicode": False}, {"has_colour": True}])
def test_a_name_steers_no_terminal(plot: Plot, how: dict[str, bool]) -> None:
    text = plotted(rows(*HOSTILE), plot, **how)
    if how.get("has_colour"):
        assert "\x1b[" in text
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # colours alone
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text) is None
    assert len(text.splitlines()) == len(plotted(rows(*"abcde"), plot, **how).splitlines())


@pytest.mark.parametrize("plot", EVERY)
def test_a_terminal_without_unicode_gets_ascii(plot: Plot) -> None:
    text = plotted(rows("naïve", "日本語", "x" * 90), plot, is_unicode=False)
    assert text.isascii()
    assert "na?ve" in text
    assert plotted(days(1, 2), STACKED, is_unicode=False).isascii()


def test_a_long_legend_is_wrapped() -> None:
    made = days(1, 2)
    named = replace(STACKED, title="Cost")
    text = plotted(made, named, width=40)
    assert text.splitlines()[-1] == "█ Metered  ▒ Estimated"
    long = Table(
        row_type=Row,
        rows=[
            replace(row, workflow=f"workflow number {n}") for n, row in enumerate(rows(*"abcdef"))
        ],
    )
    split = Plot(title="x", mark=Mark.BARS, label="target", values=("retried",), split="workflow")
    drawn = to_plots(long, [split], width=40, has_colour=False, is_unicode=True)
    assert all(cell_len(line) <= 40 for line in drawn.splitlines())
    assert all(f"workflow number {n}" in drawn for n in range(6))


def test_nothing_to_draw_is_said_and_a_plot_of_other_columns_is_left_out() -> None:
    assert plotted([], COST) == "\nCost by workflow: nothing of this in the window\n"
    assert plotted(days(1), COST) == ""


def test_a_missing_package_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotext", None)
    with pytest.raises(UsageError, match="not installed: plotext") as caught:
        plotted(rows("a"), COST)
    assert caught.value.hint == "pip install 'wai-ops[viz]'"


def test_plot_draws_below_the_same_table(wai: Wai, project: Path) -> None:
    with ledger_of(project / ".wai", [call(1), call(2, workflow="billing")]):
        pass
    table = wai("report", "cost")
    drawn = wai("report", "cost", "--plot")
    assert (drawn.exit_code, drawn.stderr) == (0, table.stderr)
    assert drawn.stdout.startswith(table.stdout + "\nKnown cost by workflow: $0.000247, of it")
    assert "\x1b" not in drawn.stdout
    wai.environ["PYTHONIOENCODING"] = "ascii"
    assert wai("report", "cost", "--plot").stdout.isascii()


@pytest.mark.parametrize("more", [["--json"], ["--format", "csv"], ["--output", "x.txt"]])
def test_plot_with_anything_but_a_table_is_a_mistake(wai: Wai, more: list[str]) -> None:
    ran = wai("report", "cost", "--plot", *more)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--plot draws below a table on the terminal" in ran.stderr


def test_a_table_without_a_chart_says_so(wai: Wai, project: Path) -> None:
    with ledger_of(project / ".wai", [call(1, error_type="unknown", error_message="it broke")]):
        pass
    ran = wai("report", "failures", "--unknown", "--plot")
    assert ran.exit_code == 0
    assert "note: --plot: there is no chart of this table" in ran.stderr


def test_key_figures_are_drawn_each_with_the_rows_that_have_one(wai: Wai, project: Path) -> None:
    with ledger_of(project / ".wai", [call(1), call(2, workflow="billing")]):
        pass
    drawn = wai("report", "kpi", "--plot", "--since", "2026-01-01", "--until", "2027-01-01")
    assert drawn.exit_code == 0
    assert "\nCost per resolved workflow: nothing of this in the window\n" in drawn.stdout
    chart = drawn.stdout.split("Cached share of input by workflow", 1)[1]
    assert "billing" in chart
    assert "triage" in chart
    assert "unknown" not in chart
