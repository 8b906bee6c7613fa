"""What one period says for the key figures, group by group, from the queries of long reports."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from wai_ops.config.settings import Settings
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.cache import CacheGroup
from wai_ops.observe.reports.cost import CostGroup
from wai_ops.observe.reports.query import query_rolled, query_slice
from wai_ops.observe.reports.resolved import Ended, ended_conversations, per_resolved
from wai_ops.observe.reports.slice import Dimension, Slice
from wai_ops.observe.reports.tools import CARRIED, ToolGroup, ToolGrouping, read_tools


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiTools:
    """A row of `kpi_tools.sql`: the tool calls of a group, or all."""

    name: str | None
    is_total: bool
    call_count: int
    output_reported_count: int
    output_tokens_p95: float | None
    sources: list[str]


Key = tuple[str | None, bool]
"""A group's name, and whether it is everything."""
ALL: Key = (None, True)


@dataclass(frozen=True, slots=True)
class Period:
    """What one period says of its groups."""

    grouping: Dimension | None
    """None: calls by workflow, tool calls by family."""
    costs: dict[Key, CostGroup]
    ends: Ended
    caches: dict[Key, CacheGroup]
    tools: dict[Key, ToolGroup] | dict[Key, KpiTools]
    day_shift: timedelta = timedelta()
    """How long before the period that it is compared with it lies."""

    @property
    def by(self) -> Dimension:
        """What the groups of calls are."""
        return self.grouping or Dimension.WORKFLOW

    @property
    def call_count(self) -> int:
        """All calls."""
        return self.costs[ALL].request_count if ALL in self.costs else 0

    def earlier(self, key: Key) -> Key:
        """What a group of the other period is called in this one: days go by their order.

        A day of periods that are no whole days has no counterpart, and (None, False) is no day.
        """
        name, is_total = key
        if self.by is not Dimension.DAY or name is None:
            return key
        if self.day_shift % timedelta(days=1):
            return None, False
        return (date.fromisoformat(name) - self.day_shift).isoformat(), is_total

    def cached_ratio(self, key: Key) -> float | None:
        """The cached share of a group's input, or of all."""
        cache = self.caches.get(key)
        return None if cache is None else cache.cached_input_ratio

    def per_resolved(self, key: Key) -> Decimal | None:
        """The cost of one resolved conversation of a group, or of all."""
        group, end = self.costs.get(key), self.ends.get(key)
        if group is None:
            return None
        return per_resolved(group.cost_usd, 0 if end is None else end.resolved_count)

    def output_p95(self, key: Key) -> float | None:
        """The p95 of the output tokens of a group's tool calls."""
        tools = self.tools.get(key)
        return None if tools is None else tools.output_tokens_p95


def read_period(store: Store, part: Slice, settings: Settings, by: Dimension | None) -> Period:
    """Ask about every group of calls and of tool calls. Raises DataError."""
    of_calls = by or Dimension.WORKFLOW
    costs = query_rolled(store, CostGroup, "cost", part, of_calls)
    caches = query_rolled(store, CacheGroup, "cache", part, of_calls)
    return Period(
        grouping=by,
        costs={(group.name, group.is_total): group for group in costs},
        ends=ended_conversations(store, part, of_calls),
        caches={(cache.name, cache.is_total): cache for cache in caches},
        tools=_read_tools(store, part, settings, by),
    )


def _read_tools(
    store: Store, part: Slice, settings: Settings, by: Dimension | None
) -> dict[Key, ToolGroup] | dict[Key, KpiTools]:
    """Nothing where tool calls do not carry what is asked of them."""
    asked = {condition.key for condition in part.where} | ({by} if by else set())
    if not asked <= set(CARRIED):
        return {}
    if by is None:
        families = read_tools(store, part, ToolGrouping.FAMILY, settings.tools)
        return {(None if row.is_total else row.family, row.is_total): row for row in families}
    found = query_slice(store, KpiTools, "kpi_tools", part, by)
    return {(row.name, row.is_total): row for row in found}
