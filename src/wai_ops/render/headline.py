"""The title of a chart: what it shows and how much, so that the finding is read first."""

from collections.abc import Sequence

from wai_ops.core.plot import Mark, Plot
from wai_ops.core.table import Unit
from wai_ops.render.units import to_human

_ADDITIVE = {Unit.COUNT, Unit.TOKENS, Unit.USD, Unit.NEURONS, Unit.BYTES}

Named = tuple[str, Sequence[float | None]]
"""The name of a series, and its values."""


def headline(
    plot: Plot,
    mark: Mark,
    unit: Unit,
    *,
    labels: Sequence[str],
    series: Sequence[Named],
    targets: Sequence[float | None],
) -> str:
    """The plot's title and its quantity: `Cost by workflow: $12.40, 61.0% of it triage`."""
    if plot.reference is not None:
        finding = _against(unit, labels, series, plot.reference)
    elif targets and any(target is not None for target in targets):
        finding = _past_target(plot, series[0][1], targets)
    elif mark is Mark.SHARES:
        finding = _share_of_first(series)
    elif not adds_up(plot, unit):
        finding = _span(plot, unit, labels, series)
    elif mark is Mark.RANGES or (mark is Mark.LINES and len(series) > 1):
        # Apart in the chart, apart in its title: an estimate and a known cost are no sum.
        finding = ", ".join(f"{name.lower()} {shown(_total(v), unit)}" for name, v in series)
    elif plot.whole is not None:
        finding = _parts(plot, unit, series)
    else:
        finding = _sum_and_largest(mark, unit, labels, series)
    return f"{plot.title}: {finding}" if finding else plot.title


def adds_up(plot: Plot, unit: Unit) -> bool:
    """Whether values of several rows make sense as one sum."""
    return unit in _ADDITIVE and not plot.is_rate and plot.reference is None


def _sum_and_largest(mark: Mark, unit: Unit, labels: Sequence[str], series: Sequence[Named]) -> str:
    totals = [_total([values[n] for _, values in series]) for n in range(len(labels))]
    whole = sum(totals)
    text = shown(whole, unit)
    largest = max(range(len(labels)), key=totals.__getitem__)
    if mark in {Mark.LINES, Mark.COLUMNS} and whole > 0:
        return f"{text}, most on {labels[largest]} ({shown(totals[largest], unit)})"
    if len(labels) < 2 or whole <= 0:
        return text
    return f"{text}, {shown(totals[largest] / whole, Unit.RATIO)} of it {labels[largest]}"


def _parts(plot: Plot, unit: Unit, series: Sequence[Named]) -> str:
    whole = sum(_total(values) for _, values in series)
    parts = whole - sum(_total(values) for name, values in series if name == plot.rest)
    if whole <= 0:
        return shown(whole, unit)
    share = shown(parts / whole, Unit.RATIO)
    return f"{shown(whole, unit)}, of it {shown(parts, unit)} ({share}) {plot.parts}"


def _share_of_first(series: Sequence[Named]) -> str:
    whole = sum(_total(values) for _, values in series)
    name, values = series[0]
    return f"{shown(_total(values) / whole, Unit.RATIO)} {name.lower()}" if whole > 0 else ""


def _past_target(
    plot: Plot, values: Sequence[float | None], targets: Sequence[float | None]
) -> str:
    pairs = [
        (value, target)
        for value, target in zip(values, targets, strict=True)
        if value is not None and target is not None
    ]
    if plot.is_target_most:
        above = sum(value > target for value, target in pairs)
        return f"{above} of {len(pairs)} above target"
    below = sum(value < target for value, target in pairs)
    return f"{below} of {len(pairs)} below target"


def _against(unit: Unit, labels: Sequence[str], series: Sequence[Named], reference: float) -> str:
    known = [
        max((values[n] or 0.0 for _, values in series), default=0.0)
        for n in range(len(labels))
        if any(values[n] is not None for _, values in series)
    ]
    above = sum(value > reference for value in known)
    return f"{above} of {len(known)} above {shown(reference, unit)}"


def _span(plot: Plot, unit: Unit, labels: Sequence[str], series: Sequence[Named]) -> str:
    """What lies between: of the middle series, which is p95 of p50, p95 and p99."""
    name, values = series[len(series) // 2]
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = shown(min(known), unit), shown(max(known), unit)
    what = f"{name.removeprefix(f'{plot.title.split()[0]} ')} " if len(series) > 1 else ""
    if len(known) == 1 < len(values):
        return f"{what}{low} ({labels[list(values).index(known[0])]})"
    if low == high:
        return f"{what}{low}"
    return f"{what}{low} to {high} ({labels[list(values).index(max(known))]})"


def _total(values: Sequence[float | None]) -> float:
    return sum(value for value in values if value is not None)


def shown(value: float, unit: Unit) -> str:
    """A drawn number with the digits that a drawing can carry: money to the cent from $1 on."""
    if unit in {Unit.USD, Unit.USD_PER_M} and abs(value) >= 1:
        return f"{'-' if value < 0 else ''}${abs(value):,.2f}"
    if unit in {Unit.COUNT, Unit.TOKENS, Unit.NEURONS}:
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.3g}"
    if unit is Unit.RATIO and 0 < abs(value) < 0.001:
        return f"{100 * value:.2g}%"
    return to_human(float(f"{value:.3g}"), unit)
