"""The page of `wai report html`: many tables with their charts, in one file that runs nothing.

The page holds no script, fetches nothing and allows one style sheet, by its hash. Charts stand in
it as cleaned SVG, once for wide and once for narrow screens.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.core.overview import Exhibit, Overview, Section, Tile
from wai_ops.core.plot import Mark
from wai_ops.core.table import Table, Verdict
from wai_ops.core.text import one_line
from wai_ops.render.charts import draw
from wai_ops.render.headline import shown
from wai_ops.render.page import read_template, style_hash, template, text_cells
from wai_ops.render.palette import CLASSES, tone_of
from wai_ops.render.series import Blank, Chart, drawable, to_chart
from wai_ops.render.units import is_numeric, to_human
from wai_ops.render.values import for_people

MOST_TABLE_ROWS = 15
"""So many rows of a table stand on the page; the note below says how many more there are."""
_NOTE_LIMIT = 2000
_FULL_PX, _HALF_PX, _NARROW_PX = 940, 460, 330
_OVER_DAYS = {Mark.LINES, Mark.COLUMNS}
_ORDER = (Verdict.FAIL, Verdict.WARN, Verdict.PASS)

Draw = Callable[..., str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One chart as the template takes it: markup that was cleaned, or the reason for none."""

    title: str
    size: str
    legend: list[tuple[str, str]]
    svg: str = ""
    narrow_svg: str = ""
    reason: str = ""
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One table as the template takes it: texts, each with whether it stands to the right."""

    title: str
    header: list[tuple[str, bool]]
    rows: list[list[tuple[str, bool]]]
    total: list[tuple[str, bool]] | None
    silence: str
    more: str
    command: str


def to_page(overview: Overview, *, draw_chart: Draw = draw) -> str:
    """Render the page. Raises UsageError when the extra for charts is not installed."""
    style = read_template("report.css")
    shared = _shared_notes(overview)
    page: str = template("report.html").render(
        title=one_line(overview.title),
        scope=one_line(overview.scope, _NOTE_LIMIT),
        made=f"made by {one_line(overview.made_by)} at {overview.made_at:%Y-%m-%d %H:%M} UTC",
        style=style,
        style_hash=style_hash(style),
        tiles=[_tile(tile) for tile in overview.tiles],
        evidence=[one_line(note, _NOTE_LIMIT) for note in (*overview.evidence, *shared)],
        sections=[_section(section, shared, draw_chart) for section in overview.sections],
    )
    return page


def _tile(tile: Tile) -> dict[str, Any]:
    return {
        "label": one_line(tile.label),
        "value": _figure(tile),
        "detail": one_line(tile.detail),
        "verdict": None if tile.verdict is None else tile.verdict.value,
    }


def _figure(tile: Tile) -> str:
    """A number to be read at a glance; the exact one stands in a table below."""
    if isinstance(tile.value, int | float | Decimal):
        return shown(float(tile.value), tile.unit)
    return to_human(tile.value, tile.unit)


def _shared_notes(overview: Overview) -> list[str]:
    """Notes that more than one section carries: they are said once, at the top."""
    seen = Counter(note for section in overview.sections for note in _notes_of(section))
    return [note for note, count in seen.items() if count > 1]


def _notes_of(section: Section) -> dict[str, None]:
    return dict.fromkeys(note for exhibit in section.exhibits for note in exhibit.table.notes)


def _section(section: Section, shared: Sequence[str], draw_chart: Draw) -> dict[str, Any]:
    verdicts = {exhibit.table.verdict for exhibit in section.exhibits}
    verdict = next((v.value for v in _ORDER if v in verdicts), None)
    shown_tables = [] if section.silence else [x for x in section.exhibits if not x.is_drawn_only]
    return {
        "key": section.key,
        "title": one_line(section.title),
        "question": one_line(section.question),
        "silence": one_line(section.silence, _NOTE_LIMIT),
        "verdict": verdict,
        "figures": [] if section.silence else list(_figures(section, draw_chart)),
        "tables": [_rows(exhibit) for exhibit in shown_tables],
        "notes": [one_line(note, _NOTE_LIMIT) for note in _notes_of(section) if note not in shared],
    }


def _figures(section: Section, draw_chart: Draw) -> Iterator[Figure]:
    """Draw the section's charts: side by side where two fit, each day chart on its own."""
    charts = [
        to_chart(exhibit.table, plot)
        for exhibit in section.exhibits
        if exhibit.table.rows or exhibit.is_drawn_only
        for plot in drawable(exhibit.table, exhibit.plots)
    ]
    narrow = [isinstance(chart, Chart) and chart.mark not in _OVER_DAYS for chart in charts]
    for index, chart in enumerate(charts):
        if isinstance(chart, Blank):
            yield Figure(title=chart.title, size="half", legend=[], reason=chart.reason)
            continue
        is_half = narrow[index] and sum(narrow) > 1
        key = f"{section.key}-{index}"
        yield Figure(
            title=chart.title,
            size="half" if is_half else "full",
            legend=_legend(chart),
            svg=draw_chart(chart, key=f"{key}w", width=_HALF_PX if is_half else _FULL_PX),
            narrow_svg=draw_chart(chart, key=f"{key}n", width=_NARROW_PX),
            caption=chart.caption,
        )


def _legend(chart: Chart) -> list[tuple[str, str]]:
    entries = [
        (CLASSES[tone_of(index, is_other=series.is_other)], series.name)
        for index, series in enumerate(chart.series)
    ]
    held = []
    if any(target is not None for target in chart.targets):
        held.append(("mark", "target"))
    return (entries if len(entries) > 1 or held else []) + held


def _rows(exhibit: Exhibit) -> Rows:
    table: Table[Any] = exhibit.table
    grid = for_people(table)
    numeric = [
        is_numeric(column.unit, [row[index] for row in grid.rows])
        for index, column in enumerate(grid.columns)
    ]
    left = len(grid.rows) - MOST_TABLE_ROWS
    more = f"{left:,} more rows are not shown here." if left > 0 else ""
    return Rows(
        title=one_line(table.title),
        header=[
            (one_line(column.label), is_right)
            for column, is_right in zip(grid.columns, numeric, strict=True)
        ],
        rows=[text_cells(row, grid.columns, numeric) for row in grid.rows[:MOST_TABLE_ROWS]],
        total=None if grid.total is None else text_cells(grid.total, grid.columns, numeric),
        silence="Nothing of this in the window.",
        more=f"{more} All of them:" if more and exhibit.command else more,
        command=one_line(exhibit.command, _NOTE_LIMIT),
    )
