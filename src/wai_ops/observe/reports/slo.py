"""Do we hold what we promised: latency, completion and cost against the targets of `wai.yaml`.

Quantiles are by nearest rank, in three significant digits. A run counts where its last attempt
stands, and succeeds when that attempt did. Budget, burn rate and verdict: `slo_rules`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from wai_ops.config.settings import SloSettings, SloTargets
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.group import row_type_by, row_type_named, to_row
from wai_ops.observe.reports.query import query_rolled, query_slice
from wai_ops.observe.reports.resolved import per_resolved
from wai_ops.observe.reports.slice import DAYS, LATENCIES, Dimension, Slice
from wai_ops.observe.reports.slo_rules import (
    FAST_BURN,
    SLOW_BURN,
    Ended,
    Measured,
    SloVerdict,
    alert_of,
    budget_of,
    burn_rate,
    has_targets,
    targets_of,
    verdict_of,
)

_HOURS = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}


class TtftSource(StrEnum):
    """Whose clock says when the first token came."""

    CLIENT = "client"
    GATEWAY = "gateway"
    """`timings.latency` of the gateway's log, whose meaning nobody confirms."""


@dataclass(frozen=True, kw_only=True)
class SloNumbers:
    """One group against its targets. None: nothing was measured, or there is no target."""

    ended_run_count: int = col("Runs", Unit.COUNT)
    failed_run_count: int = col("Failed runs", Unit.COUNT)
    completion_ratio: float | None = col("Completion", Unit.RATIO)
    completion_target_ratio: Decimal | None = col("Completion target", Unit.RATIO)
    ttft_p50_ms: float | None = col("TTFT p50", Unit.MS)
    ttft_p95_ms: float | None = col("TTFT p95", Unit.MS)
    ttft_p99_ms: float | None = col("TTFT p99", Unit.MS)
    ttft_p95_target_ms: float | None = col("TTFT target", Unit.MS)
    duration_p50_ms: float | None = col("Duration p50", Unit.MS)
    duration_p95_ms: float | None = col("Duration p95", Unit.MS)
    duration_p99_ms: float | None = col("Duration p99", Unit.MS)
    duration_p95_target_ms: float | None = col("Duration target", Unit.MS)
    cost_per_success_usd: Decimal | None = col("Cost per success", Unit.USD)
    cost_per_success_target_usd: Decimal | None = col("Cost target", Unit.USD)
    allowed_failures: Decimal | None = col("Allowed failures", Unit.COUNT)
    remaining_failures: Decimal | None = col("Failures left", Unit.COUNT)
    budget_left_ratio: float | None = col("Budget left", Unit.RATIO)
    burn_1h: Decimal | None = col("Burn 1h", Unit.COUNT)
    burn_6h: Decimal | None = col("Burn 6h", Unit.COUNT)
    burn_1d: Decimal | None = col("Burn 1d", Unit.COUNT)
    burn_3d: Decimal | None = col("Burn 3d", Unit.COUNT)
    burn_window: Decimal | None = col("Burn all", Unit.COUNT)
    alert: str | None = col("Alert")
    verdict: str | None = col("Verdict")


def __getattr__(name: str) -> type[SloNumbers]:
    """`SloByModel` and its like, made when they are asked for."""
    return row_type_named(SloNumbers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SloGroup:
    """A row of `slo.sql`."""

    name: str | None
    is_total: bool
    request_count: int
    ended_run_count: int
    failed_run_count: int
    cost_usd: Decimal | None
    unknown_cost_count: int
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """A row of `slo_latency.sql`: one measure of one group."""

    name: str | None
    is_total: bool
    measure: str
    measured_count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Burnt:
    """A row of `slo_burn.sql`."""

    name: str | None
    is_total: bool
    run_1h_count: int
    failed_1h_count: int
    run_6h_count: int
    failed_6h_count: int
    run_1d_count: int
    failed_1d_count: int
    run_3d_count: int
    failed_3d_count: int

    def ended(self, window: str) -> Ended:
        """The runs of one of the four windows."""
        return Ended(getattr(self, f"run_{window}_count"), getattr(self, f"failed_{window}_count"))


Key = tuple[str | None, bool]
"""A group's name, and whether it is everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloRequest:
    """How the report is wanted."""

    settings: SloSettings
    now: datetime
    by: Dimension = Dimension.WORKFLOW
    ttft_source: TtftSource = TtftSource.CLIENT
    is_checked: bool = False
    """Turn the rows' verdicts into one of the table."""
    is_rolled: bool = True


def slo_report(store: Store, part: Slice, asked: SloRequest) -> Table[SloNumbers]:
    """Every group against its targets, the most runs first. Raises DataError, UsageError."""
    if asked.is_checked and not has_targets(asked.settings):
        raise UsageError(
            "--check has nothing to check: there is no target",
            hint="set some in wai.yaml, such as slo: {completion_ratio: 0.99}",
        )
    by = asked.by
    days = DAYS if asked.is_rolled else None
    groups = query_rolled(store, SloGroup, "slo", part, by, kept=days)
    quantiles = _quantiles(store, part, asked)
    burnt = _burnt(store, part, asked)
    rows = [_row(group, asked, quantiles, burnt) for group in groups]
    total = rows.pop() if groups else None
    return Table(
        row_type=row_type_by(SloNumbers, by),
        rows=rows,
        title=f"Service levels by {by.value}",
        notes=tuple(_notes(store, part, asked, groups[-1] if groups else None, quantiles)),
        total=total,
        verdict=_table_verdict(rows) if asked.is_checked else None,
    )


def _quantiles(store: Store, part: Slice, asked: SloRequest) -> dict[tuple[Key, str], Quantiles]:
    is_gateway = asked.ttft_source is TtftSource.GATEWAY
    kept = LATENCIES if asked.is_rolled and not is_gateway else None
    found = query_rolled(
        store, Quantiles, "slo_latency", part, asked.by, kept=kept, is_gateway_ttft=is_gateway
    )
    return {((row.name, row.is_total), row.measure): row for row in found}


def _burnt(store: Store, part: Slice, asked: SloRequest) -> dict[Key, Burnt]:
    until = asked.now if part.window.until is None else part.window.until
    since = {name: until - timedelta(hours=hours) for name, hours in _HOURS.items()}
    rows = query_slice(
        store,
        Burnt,
        "slo_burn",
        Slice(Window(since["3d"], until), part.where),
        asked.by,
        **{f"since_{name}": since[name] for name in ("1h", "6h", "1d")},
    )
    return {(row.name, row.is_total): row for row in rows}


def _row(
    group: SloGroup,
    asked: SloRequest,
    quantiles: Mapping[tuple[Key, str], Quantiles],
    burnt: Mapping[Key, Burnt],
) -> SloNumbers:
    key = (group.name, group.is_total)
    # The targets are of each workflow; everything together has none.
    targets = SloTargets() if group.is_total else _targets(group, asked)
    ended = Ended(group.ended_run_count, group.failed_run_count)
    succeeded = ended.run_count - ended.failed_count
    ttft, duration = quantiles.get((key, "ttft")), quantiles.get((key, "duration"))
    measured = Measured(
        ended=ended,
        ttft_p95_ms=None if ttft is None else ttft.p95_ms,
        duration_p95_ms=None if duration is None else duration.p95_ms,
        cost_per_success_usd=per_resolved(group.cost_usd, succeeded),
    )
    budget = budget_of(targets.completion_ratio, ended)
    seen = burnt.get(key)
    burn = {
        name: None if seen is None else burn_rate(targets.completion_ratio, seen.ended(name))
        for name in _HOURS
    }
    alert = alert_of(burn)
    verdict = verdict_of(targets, measured, alert)
    return to_row(
        group,
        SloNumbers,
        asked.by,
        completion_ratio=succeeded / ended.run_count if ended.run_count else None,
        completion_target_ratio=targets.completion_ratio,
        **_spread("ttft", ttft),
        ttft_p95_target_ms=targets.ttft_p95_ms,
        **_spread("duration", duration),
        duration_p95_target_ms=targets.duration_p95_ms,
        cost_per_success_usd=measured.cost_per_success_usd,
        cost_per_success_target_usd=targets.cost_per_success_usd,
        allowed_failures=budget.allowed_failures,
        remaining_failures=budget.remaining_failures,
        budget_left_ratio=budget.left_ratio,
        **{f"burn_{name}": rate for name, rate in burn.items()},
        burn_window=burn_rate(targets.completion_ratio, ended),
        alert=alert,
        verdict=None if verdict is None else verdict.value,
    )


def _targets(group: SloGroup, asked: SloRequest) -> SloTargets:
    return targets_of(asked.settings, group.name if asked.by is Dimension.WORKFLOW else None)


def _spread(measure: str, found: Quantiles | None) -> dict[str, float | None]:
    return {
        f"{measure}_{name}_ms": None if found is None else getattr(found, f"{name}_ms")
        for name in ("p50", "p95", "p99")
    }


def _table_verdict(rows: list[SloNumbers]) -> Verdict:
    said = {row.verdict for row in rows}
    if SloVerdict.FAIL in said:
        return Verdict.FAIL
    is_doubtful = bool(said & {SloVerdict.WARN, SloVerdict.UNKNOWN})
    return Verdict.WARN if is_doubtful or said <= {None} else Verdict.PASS


def _notes(
    store: Store,
    part: Slice,
    asked: SloRequest,
    total: SloGroup | None,
    quantiles: Mapping[tuple[Key, str], Quantiles],
) -> Iterator[str]:
    found = read_evidence(store, part)
    runs = 0 if total is None else total.ended_run_count
    yield f"{part.describe()}: {counted(runs, 'run')} ended, by their last attempt"
    if total is not None:
        yield from _latency_notes(asked, total, quantiles)
        if total.unknown_cost_count:
            yield (
                f"{share(total.unknown_cost_count, total.request_count)} have an unknown cost:"
                " the cost per success is at least what it says"
            )
        yield from source_notes(total, found, part)
    if has_targets(asked.settings):
        yield (
            "burn rate = (failed runs / runs of that time) / (1 - completion target), back from the"
            f" end of the window; alert fast: 6h and 1h at {FAST_BURN} or more, slow: 3d and 6h at"
            f" {SLOW_BURN} or more"
        )
    else:
        yield "wai.yaml has no targets under slo, so there are no verdicts"
    yield from missing_notes(found, store.folded.in_flight_count)


def _latency_notes(
    asked: SloRequest, total: SloGroup, quantiles: Mapping[tuple[Key, str], Quantiles]
) -> Iterator[str]:
    measured = quantiles.get(((None, True), "ttft"))
    count = 0 if measured is None else measured.measured_count
    if asked.ttft_source is TtftSource.GATEWAY:
        yield (
            f"TTFT is the gateway's timings.latency, of {share(count, total.request_count)}: an"
            " undocumented field that may also hold the gateway's own work"
        )
    else:
        yield (
            f"TTFT is the client's, of {share(count, total.request_count)}; the gateway's log has"
            " none that is documented"
        )
    yield "quantiles by nearest rank over calls, in three significant digits"
