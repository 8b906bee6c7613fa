"""A chart as inline SVG: altair describes it, vl-convert draws it. No browser, no network."""

import math
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.core.plot import Mark
from wai_ops.core.table import Unit
from wai_ops.render import palette
from wai_ops.render.headline import shown
from wai_ops.render.series import Chart
from wai_ops.render.svg import clean

INSTALL_HINT = "pip install 'wai-ops[viz]'"
_FONT_PX = 13
"""What room is reckoned with. The style sheet writes at 12, as the reader's font may be wider."""
_GLYPH_PX = 7.4
"""About the width of a digit at that size."""
_DAY_LABELS_PX = 64
_LOG_FROM = 30.0
"""Quantiles that lie further apart than this are drawn on a logarithmic scale."""
_MANY_DAYS = 45


def draw(chart: Chart, *, key: str, width: int) -> str:
    """Return markup of a picture `width` pixels wide. Raises UsageError without the extra.

    `key` must be unique on the page: ids begin with it.
    """
    alt, vl_convert = require_charts()
    picture = _layers(alt, chart, width)
    spec = picture.configure(**_config()).to_dict(validate=False)
    # The data stands inside, and nothing may be fetched.
    drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return clean(drawn, key=key, label=chart.title)


def require_charts() -> tuple[Any, Any]:
    """Return altair and vl_convert. Raises UsageError when they are not installed."""
    try:
        import altair as alt
        import vl_convert
    except ImportError as error:
        raise UsageError(
            f"charts need packages that are not installed: {error.name}", hint=INSTALL_HINT
        ) from error
    return alt, vl_convert


def _layers(alt: Any, chart: Chart, width: int) -> Any:
    match chart.mark:
        case Mark.BARS | Mark.SHARES:
            layers, height = _bars(alt, chart, width), 26 * len(chart.labels) + 4
        case Mark.RANGES:
            layers, height = _ranges(alt, chart, width), 30 * len(chart.labels) + 4
        case Mark.LINES | Mark.COLUMNS:
            layers, height = _days(alt, chart, width), 190
    return alt.layer(*layers).properties(width=width, height=height)


def _bars(alt: Any, chart: Chart, width: int) -> list[Any]:
    is_share = chart.mark is Mark.SHARES
    ends = [_end(chart, n) for n in range(len(chart.labels))]
    texts = ["" if is_share else _end_text(chart, n) for n in range(len(chart.labels))]
    # Room for the numbers that stand after the bars.
    room = max(map(len, texts)) * _GLYPH_PX / (width * 0.5)
    marks = [*(value for pair in ends for value in pair), *_known(chart.targets)]
    marks += [] if chart.reference is None else [chart.reference]
    low, high = min([0.0, *marks]), max([0.0, *marks])
    high = high if high > low else low + 1
    scale = alt.Scale(domain=[0, 1] if is_share else [low, high + (high - low) * room], nice=False)
    x = alt.X(
        "value:Q",
        title=None,
        stack="normalize" if is_share else "zero",
        scale=scale,
        axis=_axis(alt, Unit.RATIO if is_share else chart.unit, width, high),
    )
    layers = [
        alt.Chart(alt.Data(values=_points(chart)))
        .mark_bar(height={"band": 0.66}, stroke=palette.PAPER, strokeWidth=1)
        .encode(
            y=_rows(alt, chart, width),
            x=x,
            color=_colour(alt, chart),
            order="rank:Q",
            description="tip:N",
        )
    ]
    if not is_share:
        near = (high - low) * 0.2
        values = [
            {"label": label, "value": _after(chart, n, ends[n][1], near), "text": texts[n]}
            for n, label in enumerate(chart.labels)
        ]
        layers.append(
            alt.Chart(alt.Data(values=values))
            .mark_text(aria=False, align="left", dx=5, color=palette.DIM, fontSize=_FONT_PX)
            .encode(y=_rows(alt, chart, width), x="value:Q", text="text:N")
        )
    return layers + _held_against(alt, chart, width)


def _held_against(alt: Any, chart: Chart, width: int) -> list[Any]:
    """Draw targets as ticks across their bars, the reference as a dashed line across all."""
    layers = []
    ticks = [
        {"label": label, "value": target, "tip": f"{label}: target {shown(target, chart.unit)}"}
        for label, target in zip(chart.labels, chart.targets, strict=False)
        if target is not None
    ]
    if ticks:
        layers.append(
            alt.Chart(alt.Data(values=ticks))
            .mark_tick(color=palette.INK, thickness=2.5, size=22, opacity=1)
            .encode(y=_rows(alt, chart, width), x="value:Q", description="tip:N")
        )
    if chart.reference is not None:
        layers.append(
            alt.Chart(alt.Data(values=[{"value": chart.reference}]))
            .mark_rule(aria=False, color=palette.INK, strokeDash=[4, 3])
            .encode(x="value:Q")
        )
    return layers


def _ranges(alt: Any, chart: Chart, width: int) -> list[Any]:
    known = [value for series in chart.series for value in _known(series.values)]
    known += [] if chart.reference is None else [chart.reference]
    is_log = min(known) > 0 and max(known) / min(known) >= _LOG_FROM
    scale = alt.Scale(type="log", nice=True) if is_log else alt.Scale(zero=True, nice=True)
    axis = _axis(alt, chart.unit, width, max(known))
    if is_log:
        axis.values = _log_ticks(min(known), max(known))
    x = alt.X("value:Q", title=None, scale=scale, axis=axis)
    spans = [
        {"label": label, "value": min(of_row), "until": max(of_row)}
        for n, label in enumerate(chart.labels)
        if (of_row := _known([series.values[n] for series in chart.series]))
    ]
    rules = (
        alt.Chart(alt.Data(values=spans))
        .mark_rule(aria=False, color=palette.LINE, strokeWidth=5, strokeCap="round")
        .encode(y=_rows(alt, chart, width), x=x, x2="until:Q")
    )
    points = (
        alt.Chart(alt.Data(values=_points(chart)))
        .mark_point(filled=True, size=85, opacity=1, stroke=palette.PAPER, strokeWidth=1)
        .encode(
            y=_rows(alt, chart, width),
            x=x,
            color=_colour(alt, chart),
            shape=_shape(alt, chart),
            description="tip:N",
        )
    )
    return [rules, points, *_held_against(alt, chart, width)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade; over many decades the 1 alone."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(decades) <= 3 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps]


def _days(alt: Any, chart: Chart, width: int) -> list[Any]:
    years = {label[:4] for label in chart.labels}
    pattern = "%-d %b" if len(years) == 1 else "%b %Y"
    step = max(1, -(-len(chart.labels) * _DAY_LABELS_PX // width))
    x = alt.X(
        "label:O",
        sort=list(chart.labels),
        axis=alt.Axis(
            title=None,
            labelAngle=0,
            values=list(chart.labels[::step]),
            labelExpr=f"utcFormat(utcParse(datum.value, '%Y-%m-%d'), '{pattern}')",
            labelOverlap=True,
            grid=False,
        ),
    )
    columns = chart.mark is Mark.COLUMNS
    known = [value for series in chart.series for value in _known(series.values)]
    y = alt.Y(
        "value:Q",
        title=None,
        stack="zero" if columns else None,
        scale=alt.Scale(zero=True, nice=True),
        axis=_axis(alt, chart.unit, 190, max(known)),
    )
    base = alt.Chart(alt.Data(values=_points(chart, with_unknown=not columns)))
    if columns:
        mark = base.mark_bar(stroke=palette.PAPER, strokeWidth=1 if len(chart.labels) < 60 else 0)
        order: dict[str, Any] = {"order": "rank:Q"}
    else:
        size = 36 if len(chart.labels) <= _MANY_DAYS else 9
        mark = base.mark_line(
            strokeWidth=2,
            invalid="break-paths-show-path-domains",
            point={"size": size, "filled": True},
        )
        order = {}
    return [mark.encode(x=x, y=y, color=_colour(alt, chart), description="tip:N", **order)]


def _rows(alt: Any, chart: Chart, width: int) -> Any:
    axis = alt.Axis(
        title=None,
        domain=False,
        ticks=False,
        grid=False,
        labelLimit=int(width * 0.36),
        labelPadding=8,
        labelColor=palette.INK,
    )
    return alt.Y("label:N", sort=list(chart.labels), axis=axis)


def _axis(alt: Any, unit: Unit, length: int, high: float) -> Any:
    return alt.Axis(
        title=None,
        tickCount=max(2, min(5, length // 90)),
        labelExpr=_label_expression(unit, high),
        domain=False,
        ticks=False,
        labelPadding=6,
    )


def _label_expression(unit: Unit, high: float) -> str:
    """How a tick is written: fixed texts, never anything from the data."""
    match unit:
        case Unit.USD | Unit.USD_PER_M:
            return (
                "format(datum.value, '$,.2~f')"
                if high >= 1
                else "'$' + format(datum.value, '.2~g')"
            )
        case Unit.RATIO:
            return "format(datum.value, '.0%')" if high >= 0.05 else "format(datum.value, '.2~%')"
        case Unit.MS:
            return (
                "datum.value >= 1000 ? format(datum.value / 1000, ',~g') + ' s'"
                " : format(datum.value, '~g') + ' ms'"
            )
        case Unit.BYTES:
            return "format(datum.value, '~s') + 'B'"
        case _:
            return "format(datum.value, '~s')" if high >= 10_000 else "format(datum.value, ',~g')"


def _colour(alt: Any, chart: Chart) -> Any:
    domain = [f"s{n}" for n in range(len(chart.series))]
    tones = [palette.tone_of(n, is_other=s.is_other) for n, s in enumerate(chart.series)]
    return alt.Color("series:N", scale=alt.Scale(domain=domain, range=tones), legend=None)


def _shape(alt: Any, chart: Chart) -> Any:
    shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
    domain = [f"s{n}" for n in range(len(chart.series))]
    scale = alt.Scale(domain=domain, range=shapes[: len(domain)])
    return alt.Shape("series:N", scale=scale, legend=None)


def _points(chart: Chart, *, with_unknown: bool = False) -> list[dict[str, Any]]:
    """One row a drawn value. Series go by number, so that no name can mean anything."""
    return [
        {
            "label": label,
            "series": f"s{rank}",
            "rank": rank,
            "value": value,
            "tip": "" if value is None else _tip(chart, label, series.name, value),
        }
        for rank, series in enumerate(chart.series)
        for label, value in zip(chart.labels, series.values, strict=True)
        if with_unknown or value is not None
    ]


def _tip(chart: Chart, label: str, name: str, value: float) -> str:
    what = f"{label}, {name}" if len(chart.series) > 1 else label
    return f"{what}: {shown(value, chart.unit)}"


def _end(chart: Chart, row: int) -> tuple[float, float]:
    """How far the bar of a row reaches to the left and to the right."""
    values = _known([series.values[row] for series in chart.series])
    return sum(v for v in values if v < 0), sum(v for v in values if v > 0)


def _after(chart: Chart, row: int, end: float, near: float) -> float:
    """Where a bar's number stands: behind its end, and behind a mark that it would cover."""
    target = chart.targets[row] if chart.targets else None
    held = [value for value in (target, chart.reference) if value is not None]
    return max([end, *(value for value in held if end - near / 20 < value < end + near)])


def _end_text(chart: Chart, row: int) -> str:
    values = _known([series.values[row] for series in chart.series])
    return shown(sum(values), chart.unit) if values else "unknown"


def _known(values: Any) -> list[float]:
    return [value for value in values if value is not None]


def _config() -> dict[str, Any]:
    return {
        "background": "transparent",
        "padding": 2,
        "font": "sans-serif",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "view": {"stroke": None},
        "axis": {
            "labelFontSize": _FONT_PX,
            "labelColor": palette.DIM,
            "gridColor": palette.LINE,
            "domainColor": palette.LINE,
            "tickColor": palette.LINE,
        },
        "title": {"fontSize": _FONT_PX},
    }
