"""Charts as SVG: what is drawn, in which colours; and that only shapes and text come out."""

import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from wai_ops.core.errors import UsageError
from wai_ops.core.plot import Mark, Plot
from wai_ops.core.table import Table, Unit, col, columns_of
from wai_ops.observe.reports import plots
from wai_ops.observe.reports.affinity import AffinityNumbers
from wai_ops.observe.reports.anomalies import AnomalyRow
from wai_ops.observe.reports.anomalies_by import AnomalyNumbers
from wai_ops.observe.reports.audit_cost import AuditRow
from wai_ops.observe.reports.cache import CacheNumbers
from wai_ops.observe.reports.cost import CostNumbers
from wai_ops.observe.reports.failures import failure_row_type
from wai_ops.observe.reports.group import row_type_by
from wai_ops.observe.reports.kpi import KpiNumbers, KpiRow
from wai_ops.observe.reports.prompts import PromptRow
from wai_ops.observe.reports.slice import Dimension
from wai_ops.observe.reports.slo import SloNumbers
from wai_ops.observe.reports.tools import ToolFamilyRow
from wai_ops.render import palette
from wai_ops.render.charts import draw
from wai_ops.render.series import MOST_ROWS, MOST_SERIES, Blank, Chart, drawable, to_chart
from wai_ops.render.svg import clean

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A bit of every kind."""

    workflow: str | None = col("Workflow")
    cost_usd: Decimal | None = col("Cost", Unit.USD, default=None)
    retried: Decimal | None = col("Retried", Unit.USD, default=None)
    failed: Decimal | None = col("Failed runs", Unit.USD, default=None)
    ratio: float | None = col("Cached share", Unit.RATIO, default=None)
    target: float | None = col("Target", Unit.RATIO, default=None)
    p50: float | None = col("p50", Unit.MS, default=None)
    p95: float | None = col("p95", Unit.MS, default=None)
    burn: Decimal | None = col("Burn", Unit.COUNT, default=None)


@dataclass(frozen=True, kw_only=True)
class Day:
    """A long table: one row a day and class."""

    day: date | None = col("Day (UTC)")
    error_type: str = col("Error")
    request_count: int = col("Requests", Unit.COUNT)


COST = Plot(
    title="Cost",
    mark=Mark.BARS,
    values=("retried", "failed"),
    whole="cost_usd",
    rest="Useful",
    parts="wasted",
)
SHARE = Plot(title="Cached", mark=Mark.BARS, values=("ratio",), target="target")
TTFT = Plot(title="TTFT", mark=Mark.RANGES, values=("p50", "p95"))
BURN = Plot(title="Burn", mark=Mark.BARS, values=("burn",), reference=1)
FAILED = Plot(
    title="Failed", mark=Mark.BARS, label="day", values=("request_count",), split="error_type"
)
ROWS = [
    Row(
        workflow=name,
        cost_usd=Decimal(n),
        retried=Decimal("0.25"),
        failed=Decimal("0.25"),
        ratio=n / 10,
        target=0.5,
        p50=n * 100.0,
        p95=n * 900.0,
        burn=Decimal(n) / 4,
    )
    for n, name in enumerate(("a", "b", "c", "d"), start=2)
]
HOSTILE = (
    "<script>document.title='pwned'</script>",
    "</svg></style><img src=x onerror=\"document.title='pwned'\">",
    "javascript:alert(1)",
    "a' onload='alert(1)",
    "&lt;b&gt; &#60;i&#62;",
    "} * { display: none } /*",
    "\u202egnp.exe \x1b[31m \x00",
    "=1+1",
    "{{ 7 * 7 }} {% raw %}",
)


def table(rows: Sequence[Any], row_type: type = Row) -> Table[Any]:
    return Table(row_type=row_type, rows=rows)


def chart(rows: Sequence[Any], plot: Plot, row_type: type = Row) -> Chart:
    made = to_chart(table(rows, row_type), plot)
    assert isinstance(made, Chart), made
    return made


def days(*counts: tuple[int, str, int]) -> list[Day]:
    start = date(2026, 3, 1)
    return [
        Day(day=start + timedelta(days=n), error_type=name, request_count=count)
        for n, name, count in counts
    ]


def svg(made: Chart, width: int = 400) -> ET.Element:
    return ET.fromstring(draw(made, key="k", width=width))


def texts(root: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter("text")]


def bars(root: ET.Element) -> list[str]:
    """What a pointer shows over each bar or point."""
    return [node.text or "" for node in root.iter("title")]


def test_a_chart_shows_every_known_value_with_its_quantity() -> None:
    root = svg(chart(ROWS, COST))
    of_a = [tip for tip in bars(root) if tip.startswith("a, ")]
    assert of_a == ["a, Useful: $1.50", "a, Retried: $0.25", "a, Failed runs: $0.25"]
    assert len(bars(root)) == 12
    assert {"a", "b", "c", "d", "$2.00", "$5.00"} <= set(texts(root))
    assert root.get("aria-label") == "Cost by workflow: $14.00, of it $2.00 (14.3%) wasted"


@pytest.mark.parametrize("plot", [COST, SHARE, TTFT, BURN, replace(COST, mark=Mark.SHARES)])
@pytest.mark.parametrize("width", [330, 460, 940])
def test_every_kind_of_chart_is_drawn_at_every_width(plot: Plot, width: int) -> None:
    root = svg(chart(ROWS, plot), width)
    assert root.tag == "svg"
    drawn_width = float(root.attrib["viewBox"].split()[2])
    assert abs(drawn_width - width) <= 2
    assert bars(root)


def test_what_is_unknown_is_not_drawn_as_zero() -> None:
    rows = [*ROWS, Row(workflow="e", target=0.5)]
    assert not [tip for tip in bars(svg(chart(rows, SHARE))) if tip.startswith("e: 0")]
    assert "unknown" in texts(svg(chart(rows, SHARE)))
    assert chart(rows, SHARE).series[0].values[-1] is None


def test_the_title_states_the_finding() -> None:
    assert chart(ROWS, SHARE).title == "Cached by workflow: 3 of 4 below target"
    most = replace(SHARE, is_target_most=True)
    assert chart(ROWS, most).title == "Cached by workflow: 0 of 4 above target"
    assert chart(ROWS, TTFT).title == "TTFT by workflow: p95 1,800 ms to 4,500 ms (d)"
    assert chart(ROWS, BURN).title == "Burn by workflow: 1 of 4 above 1"


def test_many_rows_become_one_where_they_add_up_and_are_counted_where_they_do_not() -> None:
    rows = [replace(ROWS[0], workflow=f"w{n}") for n in range(MOST_ROWS + 5)]
    added = chart(rows, COST)
    assert added.labels[-1] == "6 others"
    assert len(added.labels) == MOST_ROWS
    assert sum(value or 0 for item in added.series for value in item.values) == 2 * len(rows)
    left_out = chart(rows, TTFT)
    assert len(left_out.labels) == MOST_ROWS
    assert left_out.caption == "5 more rows are not drawn"


def test_many_series_become_other_and_the_largest_come_first() -> None:
    rows = days(*((0, f"class {n}", n + 1) for n in range(MOST_SERIES + 3)))
    made = chart(rows, FAILED, Day)
    assert [item.name for item in made.series] == [
        *(f"class {n}" for n in range(8, 2, -1)),
        "other",
    ]
    assert made.series[-1].values == (6.0,)
    assert [item.is_other for item in made.series] == [*([False] * 6), True]


def test_a_day_without_calls_is_a_gap() -> None:
    made = chart(days((0, "a", 1), (3, "a", 2)), FAILED, Day)
    assert made.mark is Mark.COLUMNS
    assert made.labels == ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04")
    assert made.series[0].values == (1.0, None, None, 2.0)
    assert made.title == "Failed: 3, most on 2026-03-04 (2)"
    assert {"1 Mar", "4 Mar"} <= set(texts(svg(made, 600)))


def test_rows_of_one_name_are_one_where_they_add_up_and_are_told_apart_where_not() -> None:
    rows = [*ROWS[:1], replace(ROWS[1], workflow="a")]
    assert chart(rows, COST).labels == ("a",)
    assert chart(rows, COST).series[0].values == (4.0,)
    assert chart(rows, TTFT).labels == ("a", "a (2)")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "nothing of this in the window"),
        ([Row(workflow="a")], "nothing of this was reported in the window"),
    ],
)
def test_nothing_to_draw_is_said_in_words(rows: list[Row], reason: str) -> None:
    made = to_chart(table(rows), SHARE)
    assert made == Blank("Cached by workflow", reason)


def shape_of(root: ET.Element) -> list[tuple[str, tuple[str, ...]]]:
    return [(node.tag, tuple(sorted(node.attrib))) for node in root.iter()]


@pytest.mark.parametrize("plot", [COST, SHARE, TTFT])
def test_a_hostile_name_is_text_and_nothing_else(plot: Plot) -> None:
    hostile = [replace(ROWS[0], workflow=name) for name in HOSTILE]
    harmless = [replace(ROWS[0], workflow=f"w{n}") for n in range(len(HOSTILE))]
    root = svg(chart(hostile, plot), 940)
    assert shape_of(root) == shape_of(svg(chart(harmless, plot), 940))
    markup = draw(chart(hostile, plot), key="k", width=940)
    assert not re.search(r"<(?!/?(svg|g|path|text|tspan|title|line|rect|circle)\b)", markup)
    assert "&lt;script&gt;" in markup
    assert "\u202e" not in markup
    assert "\x1b" not in markup


def test_what_is_no_shape_and_no_text_is_left_behind() -> None:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        ' viewBox="0 0 9 9" onload="alert(1)" style="background:url(//evil)">'
        "<script>alert(1)</script><style>*{}</style>"
        '<image xlink:href="//evil/x.png"/><foreignObject><p>x</p></foreignObject>'
        '<a xlink:href="javascript:alert(1)"><text>link</text></a>'
        '<use xlink:href="//evil#x"/><animate attributeName="href" to="javascript:1"/>'
        '<g id="a" clip-path="url(//evil#c)"><path d="M0,0h1" fill="url(//evil)" style="x:y"'
        ' onclick="alert(1)"/></g>'
        '<g clip-path="url(#c)"><path d="M0,0h2" fill="#0072b2"/></g>'
        "</svg>"
    )
    assert clean(drawn, key="k7", label='<"&') == (
        '<svg viewBox="0 0 9 9" role="img" aria-label="&lt;&quot;&amp;">'
        '<g id="k7-a"><path d="M0,0h1" /></g>'
        '<g clip-path="url(#k7-c)"><path d="M0,0h2" fill="#0072b2" class="f-t1" /></g>'
        "</svg>"
    )


@pytest.mark.parametrize(
    "drawn",
    [
        '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
        '<?xml-stylesheet href="//evil"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "<html/>",
    ],
)
def test_what_declares_something_or_is_no_svg_is_refused(drawn: str) -> None:
    with pytest.raises(ValueError, match=r"declaration|no SVG"):
        clean(drawn, key="k", label="l")


@pytest.mark.parametrize("name", ["altair", "vl_convert"])
def test_a_missing_package_is_said_with_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=f"not installed: {name}") as caught:
        draw(chart(ROWS, COST), key="k", width=400)
    assert caught.value.hint == "pip install 'wai-ops[viz]'"


NARROW = [by for by in Dimension if by not in {Dimension.ERROR, Dimension.CONVERSATION}]
ROW_TYPES: dict[str, tuple[type, ...]] = {
    "cost": (row_type_by(CostNumbers, Dimension.WORKFLOW),),
    "failures": (failure_row_type(None), *(failure_row_type(by) for by in plots.FAILURES_BY)),
    "affinity": (row_type_by(AffinityNumbers, Dimension.MODEL),),
    "cache": (row_type_by(CacheNumbers, Dimension.WORKFLOW),),
    "slo": (row_type_by(SloNumbers, Dimension.WORKFLOW),),
    "tools": (ToolFamilyRow,),
    "kpi": (KpiRow, *(row_type_by(KpiNumbers, by) for by in NARROW)),
    "prompts": (PromptRow,),
    "anomalies": (AnomalyRow, *(row_type_by(AnomalyNumbers, by) for by in NARROW)),
    "audit_cost": (AuditRow,),
}


@pytest.mark.parametrize("command", plots.PLOTS)
def test_every_plot_of_a_report_names_columns_that_the_report_has(command: str) -> None:
    for plot in plots.plots_of(command):
        having = [kind for kind in ROW_TYPES[command] if drawable(table([], kind), [plot])]
        assert having, f"no row of {command} has {sorted(plot.columns())}"
        units = {
            column.unit
            for kind in having
            for column in columns_of(kind)
            if column.name in plot.values
        }
        assert len(units) == 1


# Contrast is WCAG 2's; colour blindness that of Machado, Oliveira and Fernandes (2009).

BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
Linear = tuple[float, float, float]


def linear(colour: str) -> Linear:
    def channel(at: int) -> float:
        value = int(colour[at : at + 2], 16) / 255
        return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)

    return channel(1), channel(3), channel(5)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        red, green, blue = linear(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def seen(colour: str, blindness: str) -> Linear:
    """The colour in CIELAB, as somebody sees it."""
    rgb = linear(colour)
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True))))
        for row in BLINDNESS[blindness]
    )

    def pivot(value: float) -> float:
        return float(value ** (1 / 3)) if value > 0.008856 else 7.787 * value + 16 / 116

    x = pivot((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047)
    y = pivot(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    z = pivot((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def themes() -> dict[str, dict[str, str]]:
    style = resources.files("wai_ops.render").joinpath("templates/report.css").read_text()
    found = re.findall(r":root \{([^}]*)\}", style)
    light, dark, printed = (dict(re.findall(r"--(\w+): (#\w{6});", text)) for text in found)
    return {"light": light, "dark": light | dark, "print": light | printed}


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_colours_stand_out_from_the_page_and_from_each_other(theme: str) -> None:
    colours = themes()[theme]
    tones = [colours[f"t{n}"] for n in range(7)]
    assert min(contrast(tone, colours["paper"]) for tone in tones) >= 3
    assert min(contrast(colours[name], colours["paper"]) for name in ("ink", "dim", "link")) >= 4.5
    for blindness in BLINDNESS:
        distance = min(
            sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
            for one, other in itertools.combinations([seen(tone, blindness) for tone in tones], 2)
        )
        assert distance > 15, f"{theme}, {blindness}"


def test_the_style_sheet_and_the_drawings_mean_the_same_colours() -> None:
    light = themes()["light"]
    assert [light[f"t{n}"] for n in range(1, 7)] == list(palette.TONES)
    assert light["t0"] == palette.OTHER
    named = {"ink": palette.INK, "dim": palette.DIM, "line": palette.LINE, "paper": palette.PAPER}
    assert {name: light[name] for name in named} == named
