"""The figures at the top of the page: the mission's three, then what was promised. Pure.

Each is the total of a report; its verdict is that of the rows which have a target.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from wai_ops.core.overview import Tile
from wai_ops.core.table import Table, Unit, Verdict
from wai_ops.core.text import counted
from wai_ops.observe.reports.cost import CostNumbers
from wai_ops.observe.reports.kpi import KpiRow
from wai_ops.observe.reports.slo import SloNumbers

Number = float | Decimal | None


def tiles_of(
    kpi: Table[KpiRow], slo: Table[SloNumbers], cost: Table[CostNumbers]
) -> Iterator[Tile]:
    """The tiles of what is known; a report without a total gives none."""
    if kpi.total is not None:
        yield from _kpi_tiles(kpi.total, kpi.rows)
    if slo.total is not None:
        yield from _slo_tiles(slo.total, slo.rows)
    if cost.total is not None:
        yield _cost_tile(cost.total)


def _kpi_tiles(total: KpiRow, rows: Iterable[KpiRow]) -> Iterator[Tile]:
    rows = list(rows)
    costs = [(row.resolved_cost_usd, row.resolved_cost_target_usd) for row in rows]
    yield Tile(
        label="Cost per resolved workflow",
        value=total.resolved_cost_usd,
        unit=Unit.USD,
        detail=_words(_held(costs, "workflow", is_most=True), _trend(total, "cost"))
        or "no outcome recorded",
        verdict=_verdict(costs, is_most=True),
    )
    cached = [(row.cached_input_ratio, row.cached_input_target_ratio) for row in rows]
    yield Tile(
        label="Cached input",
        value=total.cached_input_ratio,
        unit=Unit.RATIO,
        detail=_words(_held(cached, "workflow", is_most=False), _trend(total, "cached")),
        verdict=_verdict(cached, is_most=False),
    )
    said = [(row.output_tokens_p95, row.output_tokens_p95_target) for row in rows]
    yield Tile(
        label="Tool output tokens, p95",
        value=None if total.output_tokens_p95 is None else round(total.output_tokens_p95),
        unit=Unit.TOKENS,
        detail=_words(
            _held(said, "tool family", is_most=True),
            "no tool call known" if total.output_tokens_p95 is None else _trend(total, "output"),
        ),
        verdict=_verdict(said, is_most=True),
    )


def _slo_tiles(total: SloNumbers, rows: Iterable[SloNumbers]) -> Iterator[Tile]:
    rows = list(rows)
    completion = [(row.completion_ratio, row.completion_target_ratio) for row in rows]
    yield Tile(
        label="Completed runs",
        value=total.completion_ratio,
        unit=Unit.RATIO,
        detail=_words(
            f"{total.failed_run_count:,} of {counted(total.ended_run_count, 'run')} failed",
            _held(completion, "workflow", is_most=False),
        ),
        verdict=_verdict(completion, is_most=False),
    )
    ttft = [(row.ttft_p95_ms, row.ttft_p95_target_ms) for row in rows]
    yield Tile(
        label="TTFT p95",
        value=total.ttft_p95_ms,
        unit=Unit.MS,
        detail=_held(ttft, "workflow", is_most=True),
        verdict=_verdict(ttft, is_most=True),
    )


def _cost_tile(total: CostNumbers) -> Tile:
    parts = (total.retried_cost_usd, total.failed_run_cost_usd, total.truncated_cost_usd)
    wasted = sum((part for part in parts if part is not None), Decimal(0))
    detail = f"of {counted(total.request_count, 'request')}"
    if total.cost_usd:
        detail += f"; {100 * wasted / total.cost_usd:.1f}% of it wasted"
    if total.unknown_cost_count:
        detail += f"; {total.unknown_cost_count:,} with unknown cost"
    return Tile(label="Known cost", value=total.cost_usd, unit=Unit.USD, detail=detail)


def _judged(pairs: Iterable[tuple[Number, Number]], *, is_most: bool) -> list[bool]:
    """Whether each row that has a value and a target meets it."""
    return [
        Decimal(str(value)) <= Decimal(str(target))
        if is_most
        else Decimal(str(value)) >= Decimal(str(target))
        for value, target in pairs
        if value is not None and target is not None
    ]


def _verdict(pairs: Iterable[tuple[Number, Number]], *, is_most: bool) -> Verdict | None:
    met = _judged(pairs, is_most=is_most)
    if not met:
        return None
    return Verdict.PASS if all(met) else Verdict.FAIL


def _held(pairs: Iterable[tuple[Number, Number]], noun: str, *, is_most: bool) -> str:
    met = _judged(pairs, is_most=is_most)
    if not met:
        return "no target"
    plural = "families" if noun == "tool family" else f"{noun}s"
    return f"{sum(met)} of {len(met)} {noun if len(met) == 1 else plural} on target"


def _trend(total: KpiRow, kind: str) -> str:
    match kind:
        case "cost":
            ratio = total.resolved_cost_change_ratio
        case "cached":
            delta = total.cached_input_delta_ratio
            return "" if delta is None else f"{100 * delta:+.1f} points"
        case _:
            ratio = total.output_tokens_p95_change_ratio
    return "" if ratio is None else f"{100 * ratio:+.1f}% against the period before"


def _words(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
