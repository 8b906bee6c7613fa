"""From a table and a `Plot` to the numbers of one chart: shared by the page and the terminal.

A chart stays readable however large its table is: at most `MOST_ROWS` rows and `MOST_SERIES`
series are drawn, the others as one "other" where values can be added, and else are left out and
counted in the caption. What is unknown is never drawn as zero.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from wai_ops.core.plot import Mark, Plot
from wai_ops.core.table import Table, Unit
from wai_ops.core.text import one_line
from wai_ops.render.headline import adds_up, headline
from wai_ops.render.values import cells, columns

MOST_ROWS = 12
MOST_SERIES = 6
OTHER = "other"
_NAME_LIMIT = 60
_NONE = "(none)"
_OVER_DAYS = {Mark.LINES, Mark.COLUMNS}


@dataclass(frozen=True, slots=True)
class Series:
    """One value a label; None is unknown, and drawn as nothing."""

    name: str
    values: tuple[float | None, ...]
    is_other: bool = False
    """What was left when the others were named: drawn in grey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The numbers of one chart. Labels are printable names, or days as YYYY-MM-DD."""

    title: str
    """States what the chart shows, with its quantity."""
    mark: Mark
    unit: Unit
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    targets: tuple[float | None, ...] = ()
    """One a label, or nothing."""
    reference: float | None = None
    caption: str = ""
    """What was left out."""


@dataclass(frozen=True, slots=True)
class Blank:
    """There is nothing to draw, and why."""

    title: str
    reason: str


def drawable(table: Table[Any], plots: Sequence[Plot]) -> list[Plot]:
    """Those of the plots whose columns the table has."""
    names = {column.name for column in columns(table)}
    return [plot for plot in plots if plot.columns() <= names]


def to_chart(table: Table[Any], plot: Plot) -> Chart | Blank:
    """Read the chart's numbers. Raises KeyError when the table lacks a column of the plot."""
    declared = columns(table)
    units = {column.name: column.unit for column in declared}
    names = {column.name: one_line(column.label, _NAME_LIMIT) for column in declared}
    label, unit = plot.label or declared[0].name, units[plot.values[0]]
    if plot.label is None:
        plot = replace(plot, title=f"{plot.title} by {label.replace('_', ' ')}")
    rows = [dict(zip(units, cells(row, declared), strict=True)) for row in table.rows]
    if plot.is_of_some:
        rows = [row for row in rows if any(row[name] is not None for name in plot.values)]
    if not rows:
        return Blank(plot.title, "nothing of this in the window")
    is_sum = adds_up(plot, unit)
    if plot.split is None:
        read = _wide(rows, plot, label, names, is_sum=is_sum)
    else:
        read = _long(rows, plot, label)
    if all(value is None for series in read.series for value in series.values):
        return Blank(plot.title, "nothing of this was reported in the window")
    told = tuple(item for item in read.series if any(item.values))
    read = replace(read, series=told or read.series[:1])
    mark = _mark(plot, read.labels, is_sum=is_sum)
    title = headline(
        plot,
        mark,
        unit,
        labels=read.labels,
        series=[(series.name, series.values) for series in read.series],
        targets=read.targets,
    )
    shown = _over_days(read) if mark in _OVER_DAYS else _cut_rows(read, is_sum=is_sum)
    shown = _cut_series(shown, is_sum=is_sum)
    return Chart(
        title=title,
        mark=mark,
        unit=unit,
        labels=shown.labels,
        series=shown.series,
        targets=shown.targets if mark not in _OVER_DAYS else (),
        reference=plot.reference,
        caption=shown.caption,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """The numbers of a table before and after they were cut."""

    labels: tuple[str, ...]
    series: tuple[Series, ...]
    targets: tuple[float | None, ...] = ()
    caption: str = ""


def _mark(plot: Plot, labels: Sequence[str], *, is_sum: bool) -> Mark:
    """A report by day is drawn over days: columns where values add up, else lines."""
    named = [label for label in labels if label != _NONE]
    if plot.mark in _OVER_DAYS or not named or not all(map(_is_day, named)):
        return plot.mark
    is_stacked = plot.mark is not Mark.RANGES and (is_sum or plot.mark is Mark.SHARES)
    return Mark.COLUMNS if is_stacked else Mark.LINES


def _wide(
    rows: Sequence[Mapping[str, Any]],
    plot: Plot,
    label: str,
    names: Mapping[str, str],
    *,
    is_sum: bool,
) -> _Read:
    labels = tuple(_name(row[label]) for row in rows)
    series = [Series(names[key], tuple(_number(row[key]) for row in rows)) for key in plot.values]
    if plot.whole is not None:
        rest = tuple(_left_over(row, plot.whole, plot.values) for row in rows)
        series.insert(0, Series(plot.rest, rest))
    targets = () if plot.target is None else tuple(_number(row[plot.target]) for row in rows)
    read = _Read(labels, tuple(series), targets)
    return read if len(set(labels)) == len(labels) else _distinct(read, is_sum=is_sum)


def _distinct(read: _Read, *, is_sum: bool) -> _Read:
    """No label twice: such rows are one where they add up, and else are told apart by a number."""
    if not is_sum:
        seen: Counter[str] = Counter()
        labels = []
        for label in read.labels:
            seen[label] += 1
            labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
        return replace(read, labels=tuple(labels))
    names = tuple(dict.fromkeys(read.labels))
    series = tuple(
        replace(
            item,
            values=tuple(
                _sum([v for at, v in zip(read.labels, item.values, strict=True) if at == name])
                for name in names
            ),
        )
        for item in read.series
    )
    return _Read(names, series)


def _long(rows: Sequence[Mapping[str, Any]], plot: Plot, label: str) -> _Read:
    key, value = plot.split or "", plot.values[0]
    labels = tuple(dict.fromkeys(_name(row[label]) for row in rows))
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        found.setdefault(_name(row[key]), {})[_name(row[label])] = _number(row[value])
    series = [
        Series(name, tuple(points.get(at) for at in labels)) for name, points in found.items()
    ]
    # The largest first, so that a name has the same colour whatever the rows stand for.
    series.sort(key=lambda item: (-(_sum(item.values) or 0.0), item.name))
    return _Read(labels, tuple(series))


def _left_over(row: Mapping[str, Any], whole: str, parts: Sequence[str]) -> float | None:
    if row[whole] is None:
        return None
    known = [row[part] for part in parts if row[part] is not None]
    return _number(max(row[whole] - sum(known), type(row[whole])(0)))


def _cut_rows(read: _Read, *, is_sum: bool) -> _Read:
    """Keep the first rows, in the report's order; the others become one where they add up."""
    extra = len(read.labels) - MOST_ROWS
    if extra <= 0:
        return read
    keep = MOST_ROWS - 1 if is_sum and not read.targets else MOST_ROWS
    left = len(read.labels) - keep
    if keep == MOST_ROWS:
        series = tuple(Series(s.name, s.values[:keep], s.is_other) for s in read.series)
        return _Read(
            read.labels[:keep], series, read.targets[:keep], f"{left:,} more rows are not drawn"
        )
    series = tuple(
        Series(s.name, (*s.values[:keep], _sum(s.values[keep:])), s.is_other) for s in read.series
    )
    return _Read((*read.labels[:keep], f"{left:,} others"), series)


def _cut_series(read: _Read, *, is_sum: bool) -> _Read:
    """Keep the largest series, in their order; the others become one where they add up."""
    if len(read.series) <= MOST_SERIES:
        return read
    by_size = sorted(
        read.series, key=lambda s: -max((abs(v) for v in s.values if v is not None), default=0.0)
    )
    if is_sum:
        by_size = sorted(read.series, key=lambda s: -(_sum(s.values) or 0.0))
    large = {s.name for s in by_size[:MOST_SERIES]}
    kept = tuple(s for s in read.series if s.name in large)
    left = [s for s in read.series if s.name not in large]
    if not is_sum:
        more = f"{len(left):,} more lines are not drawn"
        return _Read(read.labels, kept, read.targets, _joined(read.caption, more))
    other = tuple(_sum([s.values[n] for s in left]) for n in range(len(read.labels)))
    return _Read(
        read.labels, (*kept, Series(OTHER, other, is_other=True)), read.targets, read.caption
    )


def _over_days(read: _Read) -> _Read:
    """Every day from the first to the last: a day without calls is a gap, not a straight line."""
    days = sorted(label for label in read.labels if _is_day(label))
    if not days:
        return read
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    every = [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    at = {label: index for index, label in enumerate(read.labels)}

    def filled(values: Sequence[float | None]) -> tuple[float | None, ...]:
        return tuple(values[at[day]] if day in at else None for day in every)

    series = tuple(Series(s.name, filled(s.values), s.is_other) for s in read.series)
    caption = "" if len(days) == len(read.labels) else "rows without a day are not drawn"
    return _Read(tuple(every), series, filled(read.targets) if read.targets else (), caption)


def _is_day(label: str) -> bool:
    try:
        return str(date.fromisoformat(label)) == label
    except ValueError:
        return False


def _name(value: Any) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date()
    return _NONE if value is None else one_line(str(value), _NAME_LIMIT)


def _number(value: Any) -> float | None:
    """A finite number for drawing; the exact one stands in the table."""
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return None
    number = float(value)
    return number if number - number == 0 else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
