"""The three numbers of the mission on one page, each with what it stands on, its target and trend.

- cost per resolved workflow: all known cost of a workflow's calls, for each conversation resolved;
- cached-input ratio by workflow: cached input / input, of the calls that report it;
- output-token p95 by tool family.

They are computed by the queries of the reports cost, cache and tools, so that none disagrees.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.config.settings import Settings
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.cache import CacheGroup, CacheTargets, shortfall
from wai_ops.observe.reports.compare import change, previous_window
from wai_ops.observe.reports.cost import CostGroup
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    source_notes,
)
from wai_ops.observe.reports.query import query_rolled
from wai_ops.observe.reports.resolved import Ended, ended_conversations, per_resolved
from wai_ops.observe.reports.slice import Dimension, Slice
from wai_ops.observe.reports.slo_rules import targets_of
from wai_ops.observe.reports.tools import (
    CARRIED,
    ToolGroup,
    ToolGrouping,
    output_verdict,
    read_tools,
)

_WORST = ("fail", "unknown", "pass")


@dataclass(frozen=True, kw_only=True)
class KpiRow:
    """One workflow, or one family of tools. None: the number is not of that kind, or unknown."""

    kind: str = col("Of")
    name: str | None = col("Name")
    resolved_cost_usd: Decimal | None = col("Cost per resolved", Unit.USD, default=None)
    resolved_cost_target_usd: Decimal | None = col("Cost target", Unit.USD, default=None)
    resolved_cost_change_ratio: float | None = col("Cost trend", Unit.RATIO, default=None)
    cached_input_ratio: float | None = col("Cached input", Unit.RATIO, default=None)
    cached_input_target_ratio: Decimal | None = col("Cache target", Unit.RATIO, default=None)
    cached_input_delta_ratio: float | None = col("Cache +/-", Unit.RATIO, default=None)
    output_tokens_p95: float | None = col("Output p95", Unit.TOKENS, default=None)
    output_tokens_p95_target: int | None = col("Output target", Unit.TOKENS, default=None)
    output_tokens_p95_change_ratio: float | None = col("Output trend", Unit.RATIO, default=None)
    verdict: str | None = col("Verdict", default=None)
    basis: str = col("Stands on")


@dataclass(frozen=True, slots=True)
class _Period:
    """What one period says, by name; None is everything."""

    costs: dict[str | None, CostGroup]
    total: CostGroup | None
    ends: Ended
    caches: dict[tuple[str | None, bool], CacheGroup]
    tools: dict[str | None, ToolGroup]

    def cached_ratio(self, group: CostGroup) -> float | None:
        """The cached share of a workflow's input, or of all."""
        cache = self.cache(group)
        return None if cache is None else cache.cached_input_ratio

    def cache(self, group: CostGroup) -> CacheGroup | None:
        """What is known of a workflow's cached input, or of all."""
        return self.caches.get((group.name, group.is_total))

    def per_resolved(self, group: CostGroup | None) -> Decimal | None:
        """The cost of one resolved conversation of a workflow, or of all."""
        if group is None:
            return None
        end = self.ends.get((group.name, group.is_total))
        return per_resolved(group.cost_usd, 0 if end is None else end.resolved_count)


def kpi_report(store: Store, part: Slice, settings: Settings, now: datetime) -> Table[KpiRow]:
    """The page: workflows by cost, then families of tools by calls. Raises DataError, UsageError.

    The trend is against the equally long period before, where the window has a beginning.
    """
    current = _read(store, part, settings)
    before = None
    if part.window.since is not None:
        earlier = previous_window(part.window, now=now)
        before = _read(store, Slice(earlier, part.where), settings)
    rows = [_workflow_row(group, current, before, settings) for group in current.costs.values()]
    rows += [
        _family_row(group, before, settings)
        for group in current.tools.values()
        if not group.is_total
    ]
    return Table(
        row_type=KpiRow,
        rows=rows,
        title="Key figures",
        notes=tuple(_notes(store, part, current, before, now)),
        total=_total_row(current, before, settings),
    )


def _read(store: Store, part: Slice, settings: Settings) -> _Period:
    costs = query_rolled(store, CostGroup, "cost", part, Dimension.WORKFLOW)
    caches = query_rolled(store, CacheGroup, "cache", part, Dimension.WORKFLOW)
    tools: list[ToolGroup] = []
    if all(condition.key in CARRIED for condition in part.where):
        tools = read_tools(store, part, ToolGrouping.FAMILY, settings.tools)
    return _Period(
        costs={group.name: group for group in costs if not group.is_total},
        total=next((group for group in costs if group.is_total), None),
        ends=ended_conversations(store, part, Dimension.WORKFLOW),
        caches={(cache.name, cache.is_total): cache for cache in caches},
        tools={None if group.is_total else group.family: group for group in tools},
    )


def _workflow_row(
    group: CostGroup, current: _Period, before: _Period | None, settings: Settings
) -> KpiRow:
    name = group.name
    cost_target = targets_of(settings.slo, name).cost_per_resolved_usd
    cache = current.cache(group)
    targets = CacheTargets(default=settings.cache.target_ratio, workflows=settings.cache.workflows)
    cache_target = None if cache is None else targets.of(cache, Dimension.WORKFLOW)
    cost = current.per_resolved(group)
    verdicts = [_at_most(cost_target, cost), _at_least(cache_target, cache)]
    return KpiRow(
        kind="workflow",
        name=name,
        resolved_cost_usd=cost,
        resolved_cost_target_usd=cost_target,
        cached_input_ratio=current.cached_ratio(group),
        cached_input_target_ratio=cache_target,
        verdict=worst_of(verdicts),
        basis=_basis(group, current),
        **_trend(group, current, before, None if before is None else before.costs.get(name)),
    )


def _trend(
    group: CostGroup, current: _Period, before: _Period | None, was: CostGroup | None
) -> dict[str, Any]:
    if before is None or was is None:
        return {}
    cached_delta, _ = change(current.cached_ratio(group), before.cached_ratio(was))
    _, cost_change = change(current.per_resolved(group), before.per_resolved(was))
    return {"resolved_cost_change_ratio": cost_change, "cached_input_delta_ratio": cached_delta}


def _family_row(group: ToolGroup, before: _Period | None, settings: Settings) -> KpiRow:
    target = settings.tools.output_tokens_p95.get(group.family or "")
    return KpiRow(
        kind="tool family",
        name=group.family,
        output_tokens_p95=group.output_tokens_p95,
        output_tokens_p95_target=target,
        output_tokens_p95_change_ratio=_output_change(group, before),
        verdict=output_verdict(target, group.output_tokens_p95),
        basis=_tool_basis(group),
    )


def _output_change(group: ToolGroup, before: _Period | None) -> float | None:
    was = None if before is None else before.tools.get(None if group.is_total else group.family)
    if was is None:
        return None
    _, ratio = change(group.output_tokens_p95, was.output_tokens_p95)
    return ratio


def _total_row(current: _Period, before: _Period | None, settings: Settings) -> KpiRow | None:
    del settings  # targets are of workflows and families
    group, tools = current.total, current.tools.get(None)
    if group is None:
        return None
    cost = current.per_resolved(group)
    return KpiRow(
        kind="total",
        name=None,
        resolved_cost_usd=cost,
        cached_input_ratio=current.cached_ratio(group),
        output_tokens_p95=None if tools is None else tools.output_tokens_p95,
        output_tokens_p95_change_ratio=None if tools is None else _output_change(tools, before),
        basis=_basis(group, current),
        **_trend(group, current, before, None if before is None else before.total),
    )


def _basis(group: CostGroup, current: _Period) -> str:
    calls = group.request_count
    end, cache = current.ends.get((group.name, group.is_total)), current.cache(group)
    conversations = 0 if end is None else end.conversation_count
    with_outcome = 0 if end is None else end.conversation_count - end.open_count
    return (
        f"{0 if end is None else end.resolved_count:,} resolved, {with_outcome:,} of"
        f" {counted(conversations, 'conversation')} with an outcome;"
        f" {calls - group.unknown_cost_count - group.estimated_count:,} of"
        f" {counted(calls, 'call')} with a known cost,"
        f" {0 if cache is None else cache.reported_count:,} report cached input"
    )


def _tool_basis(group: ToolGroup) -> str:
    return (
        f"{group.output_reported_count:,} of {counted(group.call_count, 'tool call')}"
        f" with output tokens, from {', '.join(group.sources)}"
    )


def _at_most(target: Decimal | None, value: Decimal | None) -> str | None:
    if target is None:
        return None
    return "unknown" if value is None else "pass" if value <= target else "fail"


def _at_least(target: Decimal | None, cache: CacheGroup | None) -> str | None:
    if target is None or cache is None:
        return None
    short = shortfall(cache, target)
    return "unknown" if short is None else "fail" if short else "pass"


def worst_of(verdicts: Iterable[str | None]) -> str | None:
    """The one that weighs most: fail, unknown, pass; None where there is no target."""
    said = set(verdicts)
    return next((verdict for verdict in _WORST if verdict in said), None)


def _notes(
    store: Store, part: Slice, current: _Period, before: _Period | None, now: datetime
) -> Iterator[str]:
    total = current.total
    yield f"{part.describe()}: {counted(0 if total is None else total.request_count, 'call')}"
    if before is None:
        yield "no trend: the window has no beginning; add --since 30d"
    else:
        earlier = previous_window(part.window, now=now)
        count = 0 if before.total is None else before.total.request_count
        yield f"trend: against {earlier.describe()}, {counted(count, 'call')}"
    if not any(end.conversation_count > end.open_count for end in current.ends.values()):
        yield (
            "no conversation here has a recorded outcome, so the cost of a resolved workflow is"
            " unknown; see: wai outcomes record"
        )
    if any(condition.key not in CARRIED for condition in part.where):
        yield "tool calls do not carry what --where asks for, so there are no tool families here"
    elif not current.tools:
        yield "no tool call is known: no output tokens by tool family; see: wai report tools"
    found = read_evidence(store, part)
    if total is not None:
        yield from source_notes(total, found, part)
    yield from missing_notes(found, store.folded.in_flight_count)
