"""Is the cost that the gateway logs right? Each call's, beside our own from usage and dated prices.

Drift is the gateway's cost minus ours. In the drift ratio the two directions do not cancel out: it
is the sum of the absolute differences, divided by our cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Dimension, Slice

_WIDE = Context(prec=60)


class AuditGrouping(StrEnum):
    """What one row stands for."""

    MODEL = "model"
    CACHED = "cached"
    """The share of the input that was cached, in bands."""
    DAY = "day"
    WORKFLOW = "workflow"
    TENANT = "tenant"
    PROMPT = "prompt"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    ROUTE = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditGroup:
    """A row of `audit_cost.sql`: a group, or everything."""

    name: str | None
    is_total: bool
    request_count: int
    agreed_count: int
    different_count: int
    not_compared_count: int
    gateway_cost_usd: Decimal | None
    own_cost_usd: Decimal | None
    drift_usd: Decimal | None
    absolute_drift_usd: Decimal | None
    largest_drift_usd: Decimal | None
    full_price_count: int
    charged_twice_count: int
    no_gateway_row_count: int
    no_gateway_cost_count: int
    custom_cost_count: int
    no_usage_count: int
    no_price_count: int
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One group's two costs. None: nothing in it can be compared."""

    group: str | None = col("Group")
    request_count: int = col("Requests", Unit.COUNT)
    agreed_count: int = col("Agree", Unit.COUNT)
    different_count: int = col("Differ", Unit.COUNT)
    not_compared_count: int = col("Not compared", Unit.COUNT)
    gateway_cost_usd: Decimal | None = col("Gateway", Unit.USD)
    own_cost_usd: Decimal | None = col("Ours", Unit.USD)
    drift_usd: Decimal | None = col("Drift", Unit.USD)
    absolute_drift_usd: Decimal | None = col("Absolute drift", Unit.USD)
    drift_ratio: float | None = col("Drift share", Unit.RATIO)
    largest_drift_usd: Decimal | None = col("Largest drift", Unit.USD)
    full_price_count: int = col("At full price", Unit.COUNT)
    """Calls that differ, with cached input, and cost what they would without the discount."""
    charged_twice_count: int = col("Cached on top", Unit.COUNT)
    """The same, with the cached input charged once more on top."""


def audit_report(
    store: Store, part: Slice, by: AuditGrouping, *, fail_above: Decimal | None = None
) -> Table[AuditRow]:
    """Drift by group, the largest first, with a total. Raises DataError.

    `fail_above` is a share of our cost: the verdict is FAIL where the whole slice drifts by more.
    """
    is_cached = by is AuditGrouping.CACHED
    groups = query_slice(
        store,
        AuditGroup,
        "audit_cost",
        part,
        None if is_cached else Dimension(by.value),
        by_cached=is_cached,
    )
    total = next((group for group in groups if group.is_total), None)
    return Table(
        row_type=AuditRow,
        rows=[_row(group) for group in groups if not group.is_total],
        title=f"Gateway cost against ours by {'cached share' if is_cached else by.value}",
        notes=tuple(_notes(store, part, total, fail_above)),
        total=None if total is None else _row(total),
        verdict=None if fail_above is None else _verdict(total, fail_above),
    )


def parse_share(text: str) -> Decimal:
    """Read `2%` or `0.02`. Raises UsageError."""
    number = text.strip().removesuffix("%")
    try:
        value = Decimal(number)
    except ArithmeticError:
        value = Decimal("nan")
    if not value.is_finite() or value < 0:
        raise UsageError(
            f"--fail-above {one_line(text, 60)!r} is no share", hint="such as 2% or 0.02"
        )
    return value / 100 if text.strip().endswith("%") else value


def _row(group: AuditGroup) -> AuditRow:
    return AuditRow(
        group="total" if group.is_total else group.name,
        request_count=group.request_count,
        agreed_count=group.agreed_count,
        different_count=group.different_count,
        not_compared_count=group.not_compared_count,
        gateway_cost_usd=group.gateway_cost_usd,
        own_cost_usd=group.own_cost_usd,
        drift_usd=group.drift_usd,
        absolute_drift_usd=group.absolute_drift_usd,
        drift_ratio=_ratio(group),
        largest_drift_usd=group.largest_drift_usd,
        full_price_count=group.full_price_count,
        charged_twice_count=group.charged_twice_count,
    )


def _ratio(group: AuditGroup) -> float | None:
    if group.absolute_drift_usd is None or not group.own_cost_usd:
        return None
    return float(_WIDE.divide(group.absolute_drift_usd, group.own_cost_usd))


def _verdict(total: AuditGroup | None, fail_above: Decimal) -> Verdict:
    """FAIL above the share; WARN where nothing could be compared."""
    if total is None or total.absolute_drift_usd is None or total.own_cost_usd is None:
        return Verdict.WARN
    # Multiplied, not divided: it holds for a cost of zero, and is exact.
    allowed = _WIDE.multiply(fail_above, total.own_cost_usd)
    return Verdict.FAIL if total.absolute_drift_usd > allowed else Verdict.PASS


_REASONS = (
    ("no_gateway_row_count", "have no row of the gateway"),
    ("no_gateway_cost_count", "have a row without a cost"),
    ("custom_cost_count", "were logged with a custom cost"),
    ("no_usage_count", "have no usage to compute from"),
    ("no_price_count", "are of a model that has no known price"),
)


def _notes(
    store: Store, part: Slice, total: AuditGroup | None, fail_above: Decimal | None
) -> Iterator[str]:
    count = 0 if total is None else total.request_count
    if total is None:
        yield f"{part.describe()}: 0 requests"
    else:
        compared = total.agreed_count + total.different_count
        yield (
            f"{part.describe()}: {share(compared, count)} could be compared,"
            f" {total.different_count:,} of them differ"
        )
        for name, words in _REASONS:
            if missing := getattr(total, name):
                yield f"not compared: {share(missing, count)} {words}"
        yield from _trap_notes(total)
    yield (
        "ours = (input - cached) x input price + cached x cached price + output x output price, at"
        " the prices of the call's day; the gateway's = the cost of its log row, whose formula is"
        " not published"
    )
    yield (
        "two costs agree within $0.000000001 or 0.1% of ours; drift = gateway - ours; drift share ="
        " sum of absolute drift / ours"
    )
    if fail_above is not None:
        yield f"fails above a drift share of {fail_above * 100:f}%"
    found = read_evidence(store, part)
    if total is not None:
        yield from source_notes(total, found, part)
    yield from missing_notes(found, store.folded.in_flight_count)


def _trap_notes(total: AuditGroup) -> Iterator[str]:
    differ = counted(total.different_count, "call") + " that differ"
    if total.full_price_count:
        yield (
            f"{total.full_price_count:,} of {differ} cost what they would without the discount for"
            " cached input: the gateway's cost is known to be wrong on prompt-cache hits; see"
            " --by cached"
        )
    if total.charged_twice_count:
        yield (
            f"{total.charged_twice_count:,} of {differ} cost what they would with cached input"
            " charged in full and once more; see --by cached"
        )
