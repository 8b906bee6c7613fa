"""The three numbers of the mission on one page, each with what it stands on, its target and trend.

- cost per resolved workflow: all known cost of a workflow's calls, for each conversation resolved;
- cached-input ratio by workflow: cached input / input, of the calls that report it;
- output-token p95 by tool family.

They are computed by the queries of the reports cost, cache and tools, so that none disagrees. By
anything else (`by`), each group has all three: a row a tenant, a model, a day.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.config.settings import Settings
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.cache import CacheGroup, CacheTargets, shortfall
from wai_ops.observe.reports.compare import change, previous_window
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    source_notes,
)
from wai_ops.observe.reports.group import TOTAL, row_type_by, row_type_named
from wai_ops.observe.reports.kpi_period import ALL, Key, KpiTools, Period, read_period
from wai_ops.observe.reports.slice import Dimension, Slice
from wai_ops.observe.reports.slo_rules import targets_of
from wai_ops.observe.reports.tools import (
    CARRIED,
    ToolGroup,
    output_verdict,
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


@dataclass(frozen=True, kw_only=True)
class KpiNumbers:
    """The three numbers of one group. None: unknown, or not of what the group can be asked."""

    resolved_cost_usd: Decimal | None = col("Cost per resolved", Unit.USD)
    resolved_cost_target_usd: Decimal | None = col("Cost target", Unit.USD)
    resolved_cost_change_ratio: float | None = col("Cost trend", Unit.RATIO)
    cached_input_ratio: float | None = col("Cached input", Unit.RATIO)
    cached_input_target_ratio: Decimal | None = col("Cache target", Unit.RATIO)
    cached_input_delta_ratio: float | None = col("Cache +/-", Unit.RATIO)
    output_tokens_p95: float | None = col("Output p95", Unit.TOKENS)
    output_tokens_p95_change_ratio: float | None = col("Output trend", Unit.RATIO)
    verdict: str | None = col("Verdict")
    basis: str = col("Stands on")


def __getattr__(name: str) -> type[KpiNumbers]:
    """`KpiByTenant` and its like, made when they are asked for."""
    return row_type_named(KpiNumbers, name)


def kpi_report(
    store: Store, part: Slice, settings: Settings, now: datetime, by: Dimension | None = None
) -> Table[Any]:
    """The page: workflows by cost, then families of tools by calls; or one row a group of `by`.

    The trend is against the equally long period before, where the window has a beginning. Raises
    DataError, UsageError.
    """
    current = read_period(store, part, settings, by)
    before = None
    if part.window.since is not None:
        earlier = previous_window(part.window, now=now)
        assert earlier.since is not None
        before = replace(
            read_period(store, Slice(earlier, part.where), settings, by),
            day_shift=part.window.since - earlier.since,
        )
    notes = tuple(_notes(store, part, current, before, now))
    if by is not None:
        return _grouped(by, current, before, settings, notes)
    rows = [_workflow_row(key, current, before, settings) for key in current.costs if key != ALL]
    rows += [_family_row(key, current, before, settings) for key in current.tools if key != ALL]
    return Table(
        row_type=KpiRow,
        rows=rows,
        title="Key figures",
        notes=notes,
        total=_total_row(current, before) if ALL in current.costs else None,
    )


def _grouped(
    by: Dimension,
    current: Period,
    before: Period | None,
    settings: Settings,
    notes: tuple[str, ...],
) -> Table[KpiNumbers]:
    keys = dict.fromkeys((*current.costs, *current.tools))
    rows = {key: _group_row(key, by, current, before, settings) for key in keys}
    return Table(
        row_type=row_type_by(KpiNumbers, by),
        rows=[row for key, row in rows.items() if key != ALL],
        title=f"Key figures by {by.value}",
        notes=notes,
        total=rows.get(ALL),
    )


def _workflow_row(key: Key, current: Period, before: Period | None, settings: Settings) -> KpiRow:
    return KpiRow(
        kind="workflow",
        name=key[0],
        basis=_basis(key, current),
        **_held(key, current, settings),
        **_trend(key, current, before),
    )


def _held(key: Key, current: Period, settings: Settings) -> dict[str, Any]:
    """A group's cost and cached share, their targets, and what is to be said of them."""
    name = key[0] if current.by is Dimension.WORKFLOW else None
    cost_target = targets_of(settings.slo, name).cost_per_resolved_usd
    cache = current.caches.get(key)
    targets = CacheTargets(default=settings.cache.target_ratio, workflows=settings.cache.workflows)
    cache_target = None if cache is None else targets.of(cache, current.by)
    cost = current.per_resolved(key)
    return {
        "resolved_cost_usd": cost,
        "resolved_cost_target_usd": cost_target,
        "cached_input_ratio": current.cached_ratio(key),
        "cached_input_target_ratio": cache_target,
        "verdict": worst_of([_at_most(cost_target, cost), _at_least(cache_target, cache)]),
    }


def _trend(key: Key, current: Period, before: Period | None) -> dict[str, Any]:
    if before is None or before.earlier(key) not in before.costs:
        return {"resolved_cost_change_ratio": None, "cached_input_delta_ratio": None}
    was = before.earlier(key)
    cached_delta, _ = change(current.cached_ratio(key), before.cached_ratio(was))
    _, cost_change = change(current.per_resolved(key), before.per_resolved(was))
    return {"resolved_cost_change_ratio": cost_change, "cached_input_delta_ratio": cached_delta}


def _family_row(key: Key, current: Period, before: Period | None, settings: Settings) -> KpiRow:
    group = current.tools[key]
    target = settings.tools.output_tokens_p95.get(key[0] or "")
    return KpiRow(
        kind="tool family",
        name=key[0],
        output_tokens_p95=group.output_tokens_p95,
        output_tokens_p95_target=target,
        output_tokens_p95_change_ratio=_output_change(key, current, before),
        verdict=output_verdict(target, group.output_tokens_p95),
        basis=_tool_basis(group),
    )


def _output_change(key: Key, current: Period, before: Period | None) -> float | None:
    if before is None:
        return None
    _, ratio = change(current.output_p95(key), before.output_p95(before.earlier(key)))
    return ratio


def _total_row(current: Period, before: Period | None) -> KpiRow:
    """Everything; targets are of workflows and families."""
    return KpiRow(
        kind=TOTAL,
        name=None,
        resolved_cost_usd=current.per_resolved(ALL),
        cached_input_ratio=current.cached_ratio(ALL),
        output_tokens_p95=current.output_p95(ALL),
        output_tokens_p95_change_ratio=_output_change(ALL, current, before),
        basis=_basis(ALL, current),
        **_trend(ALL, current, before),
    )


def _group_row(
    key: Key, by: Dimension, current: Period, before: Period | None, settings: Settings
) -> KpiNumbers:
    """One group; its tool calls are of many families, so that no target holds for them."""
    held = _held(key, current, settings)
    if key == ALL:
        held |= dict.fromkeys(_TARGETS)
    tools = current.tools.get(key)
    bases = [_basis(key, current)] if key in current.costs else []
    return row_type_by(KpiNumbers, by)(
        **{by.value: TOTAL if key == ALL else key[0]},  # type: ignore[arg-type]
        output_tokens_p95=current.output_p95(key),
        output_tokens_p95_change_ratio=_output_change(key, current, before),
        basis="; ".join([*bases, *([] if tools is None else [_tool_basis(tools)])]),
        **held,
        **_trend(key, current, before),
    )


_TARGETS = ("resolved_cost_target_usd", "cached_input_target_ratio", "verdict")


def _basis(key: Key, current: Period) -> str:
    group, end, cache = current.costs[key], current.ends.get(key), current.caches.get(key)
    calls = group.request_count
    conversations = 0 if end is None else end.conversation_count
    with_outcome = 0 if end is None else end.conversation_count - end.open_count
    return (
        f"{0 if end is None else end.resolved_count:,} resolved, {with_outcome:,} of"
        f" {counted(conversations, 'conversation')} with an outcome;"
        f" {calls - group.unknown_cost_count - group.estimated_count:,} of"
        f" {counted(calls, 'call')} with a known cost,"
        f" {0 if cache is None else cache.reported_count:,} report cached input"
    )


def _tool_basis(group: ToolGroup | KpiTools) -> str:
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
    store: Store, part: Slice, current: Period, before: Period | None, now: datetime
) -> Iterator[str]:
    by = current.grouping
    yield f"{part.describe()}: {counted(current.call_count, 'call')}"
    if before is None:
        yield "no trend: the window has no beginning; add --since 30d"
    else:
        earlier = previous_window(part.window, now=now)
        yield f"trend: against {earlier.describe()}, {counted(before.call_count, 'call')}"
    if not any(end.conversation_count > end.open_count for end in current.ends.values()):
        yield (
            "no conversation here has a recorded outcome, so the cost of a resolved workflow is"
            " unknown; see: wai outcomes record"
        )
    what = "tool families" if by is None else "output tokens"
    if any(condition.key not in CARRIED for condition in part.where):
        yield f"tool calls do not carry what --where asks for, so there are no {what} here"
    elif by is not None and by not in CARRIED:
        yield f"tool calls do not carry a {by.value}, so there are no {what} here"
    elif not current.tools:
        yield "no tool call is known: no output tokens by tool family; see: wai report tools"
    found = read_evidence(store, part)
    if ALL in current.costs:
        yield from source_notes(current.costs[ALL], found, part)
    yield from missing_notes(found, store.folded.in_flight_count)
