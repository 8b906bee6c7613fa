"""The same charts in a terminal, drawn by plotext. Glyphs tell series apart; colour only helps."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from rich.cells import cell_len, set_cell_size

from wai_ops.core.errors import UsageError
from wai_ops.core.plot import Mark, Plot
from wai_ops.core.table import Table, Unit
from wai_ops.render.charts import INSTALL_HINT
from wai_ops.render.headline import shown
from wai_ops.render.series import Blank, Chart, Series, drawable, to_chart

NARROWEST = 40
WIDEST = 120
_LABEL = 24
_HEIGHT = 12
_GAP = 4
"""What the frame takes beside labels and canvas."""
_LOG_FROM = 30.0
_BLOCKS = ("█", "▒", "▓", "░", "=", "+", "·")
_BLOCKS_ASCII = ("#", "=", "+", "o", "x", "%", ".")
_POINTS = ("o", "x", "+", "*", "#", "%", ".")
_HELD = "|"
"""Stands where a target or a reference is."""
_COLOURS = (12, 11, 10, 13, 14, 9, 8)
"""Of the sixteen that every terminal has; the last is for what was left over."""


def to_plots(
    table: Table[Any], plots: Sequence[Plot], *, width: int, has_colour: bool, is_unicode: bool
) -> str:
    """Return the table's charts as text, each after an empty line.

    Nothing in it can steer a terminal but the colours that were asked for. Raises UsageError when
    plotext is not installed.
    """
    width = max(NARROWEST, min(width, WIDEST))
    parts = []
    for plot in drawable(table, plots):
        chart = to_chart(table, plot)
        if not is_unicode:
            chart = _in_ascii(chart)
        if isinstance(chart, Blank):
            parts.append(f"\n{chart.title}: {chart.reason}\n")
        else:
            canvas = _Canvas(width, has_colour=has_colour, is_unicode=is_unicode)
            parts.append(f"\n{_fold(chart.title, width)}\n{canvas.draw(chart)}")
    return "".join(parts)


class _Canvas:
    """One figure of plotext, and what its parts are drawn with."""

    def __init__(self, width: int, *, has_colour: bool, is_unicode: bool) -> None:
        self._plotext = require_plotext()
        self._figure = self._plotext.figure
        self._width = width
        self._has_colour = has_colour
        self._blocks = _BLOCKS if is_unicode else _BLOCKS_ASCII
        self._cut_mark = "…" if is_unicode else "~"

    def draw(self, chart: Chart) -> str:
        """Return frame, legend and caption, each line ended."""
        self._figure.clear()
        self._figure.theme("colorless")
        self._figure.axes(active=False, axis="both", side="both")
        match chart.mark:
            case Mark.BARS | Mark.SHARES:
                self._bars(chart)
            case Mark.RANGES:
                self._ranges(chart)
            case Mark.LINES:
                self._lines(chart)
            case Mark.COLUMNS:
                self._columns(chart)
        drawn = self._figure.build().string(colorless=not self._has_colour)
        lines = [line.rstrip() for line in drawn.splitlines()]
        lines += [*self._legend(chart), *([chart.caption] if chart.caption else [])]
        return "".join(f"{line}\n" for line in lines)

    def _legend(self, chart: Chart) -> list[str]:
        """What each glyph means, in as many lines as the width asks for."""
        glyphs = _POINTS if chart.mark in {Mark.RANGES, Mark.LINES} else self._blocks
        entries: list[tuple[str, int | None, str]] = []
        if len(chart.series) > 1:
            slots = [_slot(index, series) for index, series in enumerate(chart.series)]
            entries += [
                (glyphs[slot], slot, series.name)
                for slot, series in zip(slots, chart.series, strict=True)
            ]
        if any(target is not None for target in chart.targets):
            entries.append((_HELD, None, "target"))
        if chart.reference is not None:
            entries.append((_HELD, None, shown(chart.reference, chart.unit)))
        lines: list[str] = []
        used = self._width
        for glyph, slot, name in entries:
            text = f"{glyph if slot is None else self._painted(glyph, slot)} {name}"
            size = cell_len(glyph) + 1 + cell_len(name)
            if used + 2 + size > self._width:
                lines.append(text)
                used = size
            else:
                lines[-1] += f"  {text}"
                used += 2 + size
        return lines

    def _painted(self, glyph: str, slot: int) -> str:
        if not self._has_colour:
            return glyph
        return str(self._plotext.colorize(glyph).fill(self._pixel(slot)).string())

    def _pixel(self, slot: int) -> Any:
        return self._plotext.pixel(foreground=_COLOURS[slot])

    def _marker(self, glyph: str, slot: int) -> Any:
        if not self._has_colour:
            return glyph
        return self._plotext.marker(glyph, pixel=self._pixel(slot))

    def _segment(self, xs: Sequence[float], ys: Sequence[float], glyph: str, slot: int) -> None:
        signal = self._figure.signal(list(xs), list(ys), marker=self._marker(glyph, slot))
        self._figure.draw(signal.lines())

    def _rows(self, labels: Sequence[str]) -> list[int]:
        """One line of text a label, from the top; return their places."""
        places = [len(labels) - n for n in range(len(labels))]
        room = min(_LABEL, self._width // 3)
        texts = [f"{_cut(label, room, self._cut_mark)} " for label in labels]
        self._figure.plot_size(self._width, len(labels) + 1)
        ruler = self._figure.ruler("y")
        # Half a line more at both ends would round; with one label the range must not be empty.
        ruler.lim(1, len(labels)) if len(labels) > 1 else ruler.lim(0.5, 1.5)
        ruler.ticks(places, texts)
        return places

    def _bars(self, chart: Chart) -> None:
        rows = (
            _shares(chart)
            if chart.mark is Mark.SHARES
            else [[series.values[n] for series in chart.series] for n in range(len(chart.labels))]
        )
        unit = Unit.RATIO if chart.mark is Mark.SHARES else chart.unit
        ends = [sum(v for v in row if v is not None and v > 0) for row in rows]
        starts = [sum(v for v in row if v is not None and v < 0) for row in rows]
        held = [v for v in (*chart.targets, chart.reference) if v is not None]
        low, high = min([0.0, *starts, *held]), max([0.0, *ends, *held])
        high = high if high > low else low + 1
        texts = [_text_of(row, unit) for row in rows]
        room = 1 if chart.mark is Mark.SHARES else 1 + max(map(len, texts)) * 2 / self._width
        cell = (high * room - low) / (self._width * 0.66)
        for n, place in enumerate(self._rows(chart.labels)):
            self._bar(chart, place, rows[n], cell=cell)
            held = _held(chart, n)
            for value in held:
                self._text(value, place, _HELD)
            if chart.mark is Mark.BARS:  # the number stands after whatever it would cover
                near = [v for v in held if ends[n] - cell < v <= ends[n] + 9 * cell]
                self._text(max([ends[n], *near]), place, f"{_HELD if near else ''} {texts[n]}")
        self._x_axis(low, high, (high - low) * (room - 1), unit)

    def _bar(self, chart: Chart, place: int, row: Sequence[float | None], *, cell: float) -> None:
        left, right = 0.0, 0.0
        for index, (series, value) in enumerate(zip(chart.series, row, strict=True)):
            if not value:
                continue
            start = left if value < 0 else right
            slot = _slot(index, series)
            until = start + value
            # Up to the cell before the end, so that the next part does not begin on top of it.
            inner = until - math.copysign(min(cell, abs(value)), value)
            self._segment([start, inner], [place, place], self._blocks[slot], slot)
            left, right = (until, right) if value < 0 else (left, until)

    def _text(self, at: float, place: float, text: str) -> None:
        self._figure.draw(self._figure.text(at, place, text))

    def _ranges(self, chart: Chart) -> None:
        known = [v for series in chart.series for v in series.values if v is not None]
        known += [] if chart.reference is None else [chart.reference]
        is_log = min(known) > 0 and max(known) / min(known) >= _LOG_FROM
        place = math.log10 if is_log else float
        for n, row in enumerate(self._rows(chart.labels)):
            points = [
                (index, series, place(value))
                for index, series in enumerate(chart.series)
                if (value := series.values[n]) is not None
            ]
            for value in _held(chart, n):
                self._text(place(value), row, _HELD)
            if points:
                ends = [at for _, _, at in points]
                self._segment([min(ends), max(ends)], [row, row], "-", len(_COLOURS) - 1)
            for index, series, at in points:
                slot = _slot(index, series)
                self._segment([at], [row], _POINTS[slot], slot)
        low = min(known) if is_log else min(0.0, *known)
        if is_log:
            self._log_axis(low, max(known), chart.unit)
        else:
            self._x_axis(low, max(known), 0, chart.unit)

    def _lines(self, chart: Chart) -> None:
        for index, series in enumerate(chart.series):
            slot = _slot(index, series)
            for run in _runs(series.values):
                xs, ys = zip(*run, strict=True)
                self._segment(xs, ys, _POINTS[slot], slot)
        known = [v for series in chart.series for v in series.values if v is not None]
        self._over_days(chart.labels, min(0.0, *known), max(known), chart.unit)

    def _columns(self, chart: Chart) -> None:
        tops = [0.0] * len(chart.labels)
        for index, series in enumerate(chart.series):
            slot = _slot(index, series)
            for n, value in enumerate(series.values):
                if value:
                    self._segment([n, n], [tops[n], tops[n] + value], self._blocks[slot], slot)
                    tops[n] += value
        self._over_days(chart.labels, 0.0, max(tops), chart.unit)

    def _over_days(self, days: Sequence[str], low: float, high: float, unit: Unit) -> None:
        self._figure.plot_size(self._width, _HEIGHT)
        high = high if high > low else low + 1
        ticks = _ticks(low, high, 4)
        self._figure.ruler("y").ticks(ticks, [shown(tick, unit) for tick in ticks])
        self._figure.ruler("y").lim(low, high)
        count = max(1, min(len(days), (self._width - 12) // 14))
        steps = sorted({round(n * (len(days) - 1) / max(1, count - 1)) for n in range(count)})
        self._figure.ruler("x").ticks(steps, [days[n] for n in steps])
        self._figure.ruler("x").lim(-0.5, len(days) - 0.5)

    def _x_axis(self, low: float, high: float, room: float, unit: Unit) -> None:
        high = high if high > low else low + 1
        ticks = _ticks(low, high, max(2, self._width // 20))
        self._figure.ruler("x").ticks(ticks, [shown(tick, unit) for tick in ticks])
        self._figure.ruler("x").lim(low, high + room)

    def _log_axis(self, low: float, high: float, unit: Unit) -> None:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        decades = list(range(first, last + 1))
        self._figure.ruler("x").ticks(decades, [shown(10.0**n, unit) for n in decades])
        self._figure.ruler("x").lim(first, last)


def _in_ascii(chart: Chart | Blank) -> Chart | Blank:
    """Every text of it as the terminal can print it, before anything is laid out by its width."""
    if isinstance(chart, Blank):
        return Blank(_ascii(chart.title), chart.reason)
    return replace(
        chart,
        title=_ascii(chart.title),
        labels=tuple(_ascii(_cut(label, _LABEL, "~")) for label in chart.labels),
        series=tuple(replace(series, name=_ascii(series.name)) for series in chart.series),
    )


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def require_plotext() -> Any:
    """Return the module. Raises UsageError when it is not installed."""
    try:
        import plotext
    except ImportError as error:
        raise UsageError(
            f"--plot needs packages that are not installed: {error.name}", hint=INSTALL_HINT
        ) from error
    return plotext


def _held(chart: Chart, row: int) -> list[float]:
    """What the row is held against."""
    target = chart.targets[row] if chart.targets else None
    return [value for value in (target, chart.reference) if value is not None]


def _slot(index: int, series: Series) -> int:
    return len(_COLOURS) - 1 if series.is_other else index % (len(_COLOURS) - 1)


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Stretches without a gap, as (place, value)."""
    for is_known, run in groupby(enumerate(values), lambda pair: pair[1] is not None):
        if is_known:
            yield [(place, value) for place, value in run if value is not None]


def _shares(chart: Chart) -> list[list[float | None]]:
    rows = []
    for n in range(len(chart.labels)):
        row = [series.values[n] for series in chart.series]
        whole = sum(value for value in row if value is not None)
        rows.append([None if value is None or whole <= 0 else value / whole for value in row])
    return rows


def _text_of(row: Sequence[float | None], unit: Unit) -> str:
    known = [value for value in row if value is not None]
    return shown(sum(known), unit) if known else "unknown"


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _cut(text: str, width: int, mark: str = "…") -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + mark


def _fold(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width) or [""])
