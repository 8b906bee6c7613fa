"""Every report of one window on one page: which tables, which charts, in which order.

Nothing is computed here: each table is the report's own, so the page and the commands agree. All
of it comes from aggregates; no call of the ledger is read one by one.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wai_ops._version import __version__
from wai_ops.config.settings import Settings
from wai_ops.core.overview import Exhibit, Overview, Section
from wai_ops.core.plot import Plot
from wai_ops.core.table import Table
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports import plots
from wai_ops.observe.reports.affinity import affinity_report
from wai_ops.observe.reports.anomalies import Measure, anomaly_report
from wai_ops.observe.reports.audit_cost import AuditGrouping, audit_report
from wai_ops.observe.reports.cache import CacheTargets, cache_report
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.failures import failures_report, unknown_report
from wai_ops.observe.reports.kpi import KpiRow, kpi_report
from wai_ops.observe.reports.overview_tiles import tiles_of
from wai_ops.observe.reports.slice import Dimension, Slice
from wai_ops.observe.reports.slo import SloNumbers, SloRequest, slo_report
from wai_ops.observe.reports.slo_rules import has_targets
from wai_ops.observe.reports.tools import CARRIED, ToolGrouping, tools_report


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every section needs."""

    store: Store
    part: Slice
    settings: Settings
    now: datetime

    def exhibit(
        self, table: Table[Any], command: str, *drawn: Plot, is_drawn_only: bool = False
    ) -> Exhibit:
        """A table, and the command line that prints the whole of it."""
        words = ["wai", "report", *command.split()]
        for flag, at in (("--since", self.part.window.since), ("--until", self.part.window.until)):
            if at is not None:
                words += [flag, f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"]
        for item in self.part.where:
            words += ["--where", f"{item.key.value}{'=' if item.is_equal else '!='}{item.value}"]
        return Exhibit(
            table=table, plots=drawn, command=shlex.join(words), is_drawn_only=is_drawn_only
        )


def build_overview(store: Store, part: Slice, settings: Settings, *, now: datetime) -> Overview:
    """Ask every report about the slice. Raises DataError."""
    asked = _Asked(store, part, settings, now)
    kpi = kpi_report(store, part, settings, now)
    slo = _slo_table(asked)
    cost = cost_report(store, part, Dimension.WORKFLOW)
    sections = (
        ("kpi", "Key figures", "What do the three numbers say, for each?", _kpi(asked, kpi)),
        ("cost", "Cost", "What did the calls cost, and who caused it?", _cost(asked, cost)),
        ("failures", "Failures", "Why do calls fail, and what does it cost?", _failures(asked)),
        ("affinity", "Affinity", "Do conversations find a warm prefix cache?", _affinity(asked)),
        ("cache", "Cache", "How much input came from the prefix cache?", _cache(asked)),
        ("slo", "Service levels", "Do we hold what we promised?", _slo(asked, slo)),
        ("tools", "Tools", "What do tools say, how fast, and do they loop?", _tools(asked)),
        (
            "anomalies",
            "Anomalies",
            "Which conversations cost far more than others of their tenant?",
            _anomalies(asked),
        ),
        (
            "audit-cost",
            "Cost audit",
            "Does the gateway's cost agree with ours, from its own usage?",
            _audit(asked),
        ),
    )
    return Overview(
        title="Agent operations",
        scope=part.describe(),
        made_at=now,
        made_by=f"wai {__version__}",
        tiles=tuple(tiles_of(kpi, slo, cost)),
        sections=tuple(_section(*section) for section in sections),
    )


def _section(key: str, title: str, question: str, exhibits: Iterator[Exhibit]) -> Section:
    """One section; where none of its tables has a row, it says so instead of showing them."""
    found = tuple(exhibits)
    silence = ""
    if not found:
        silence = (
            "Tool calls do not carry what the page was asked for, so there is nothing to show."
        )
    elif not any(exhibit.table.rows for exhibit in found):
        silence = "Nothing of this in the window."
    return Section(key=key, title=title, question=question, exhibits=found, silence=silence)


def _kpi(asked: _Asked, table: Table[KpiRow]) -> Iterator[Exhibit]:
    yield asked.exhibit(table, "kpi")


def _cost(asked: _Asked, table: Table[Any]) -> Iterator[Exhibit]:
    yield asked.exhibit(table, "cost --by workflow", plots.COST, plots.COST_PER_RESOLVED)
    for by, drawn in (
        (Dimension.TENANT, (plots.COST,)),
        (Dimension.MODEL, (plots.COST,)),
        (Dimension.PROMPT, ()),
    ):
        table = cost_report(asked.store, asked.part, by)
        yield asked.exhibit(table, f"cost --by {by.value}", *drawn)
    table = cost_report(asked.store, asked.part, Dimension.DAY)
    yield asked.exhibit(table, "cost --by day", plots.COST_STATES, is_drawn_only=True)


def _failures(asked: _Asked) -> Iterator[Exhibit]:
    table = failures_report(asked.store, asked.part, now=asked.now)
    yield asked.exhibit(table, "failures", plots.FAILURES)
    by_model = failures_report(asked.store, asked.part, Dimension.MODEL, now=asked.now)
    by_day = failures_report(asked.store, asked.part, Dimension.DAY, now=asked.now)
    for by, split in ((Dimension.MODEL, by_model), (Dimension.DAY, by_day)):
        command = f"failures --by {by.value}"
        yield asked.exhibit(split, command, plots.FAILURES_BY[by], is_drawn_only=True)
    unknown = unknown_report(asked.store, asked.part)
    if unknown.rows:
        yield asked.exhibit(unknown, "failures --unknown")


def _affinity(asked: _Asked) -> Iterator[Exhibit]:
    for by, drawn in (
        (Dimension.WORKFLOW, (plots.HITS, plots.MISS_CAUSES, plots.HIT_TTFT, plots.SAVED)),
        (Dimension.MODEL, (plots.HITS,)),
        (Dimension.ROUTE, ()),
    ):
        table = affinity_report(asked.store, asked.part, by)
        yield asked.exhibit(table, f"affinity --by {by.value}", *drawn)


def _cache(asked: _Asked) -> Iterator[Exhibit]:
    said = asked.settings.cache
    targets = CacheTargets(default=said.target_ratio, workflows=said.workflows)
    for by in (Dimension.WORKFLOW, Dimension.MODEL):
        table = cache_report(asked.store, asked.part, by, targets)
        yield asked.exhibit(table, f"cache --by {by.value}", plots.CACHED)


def _slo_table(asked: _Asked) -> Table[SloNumbers]:
    settings = asked.settings.slo
    request = SloRequest(settings=settings, now=asked.now, is_checked=has_targets(settings))
    return slo_report(asked.store, asked.part, request)


def _slo(asked: _Asked, table: Table[SloNumbers]) -> Iterator[Exhibit]:
    yield asked.exhibit(table, "slo", plots.BURN, plots.BUDGET)
    request = SloRequest(settings=asked.settings.slo, now=asked.now, by=Dimension.MODEL)
    by_model = slo_report(asked.store, asked.part, request)
    yield asked.exhibit(by_model, "slo --by model", plots.TTFT, plots.DURATION)


def _tools(asked: _Asked) -> Iterator[Exhibit]:
    if any(condition.key not in CARRIED for condition in asked.part.where):
        return
    table = tools_report(asked.store, asked.part, ToolGrouping.FAMILY, asked.settings.tools)
    yield asked.exhibit(table, "tools", plots.TOOL_OUTPUT, plots.TOOL_FAILURES)


def _anomalies(asked: _Asked) -> Iterator[Exhibit]:
    table = anomaly_report(asked.store, asked.part, Measure.COST)
    yield asked.exhibit(table, "anomalies", plots.ANOMALIES)


def _audit(asked: _Asked) -> Iterator[Exhibit]:
    for by in (AuditGrouping.MODEL, AuditGrouping.CACHED):
        table = audit_report(asked.store, asked.part, by)
        yield asked.exhibit(table, f"audit-cost --by {by.value}", plots.DRIFT)
    table = audit_report(asked.store, asked.part, AuditGrouping.DAY)
    yield asked.exhibit(table, "audit-cost --by day", plots.DRIFT, is_drawn_only=True)
