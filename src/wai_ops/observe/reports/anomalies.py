"""Conversations that stand out: above twice their tenant's p95, and above the p99 of all.

Both must hold: the first alone finds something in every tenant, the second alone only the largest
tenants. Each comes with what it has more of than its tenant's median conversation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Slice

FEWEST_OF_TENANT = 20
"""The p95 of fewer conversations is the largest of them, and nothing is twice that."""
FEWEST_OF_ALL = 100
"""The p99 of fewer conversations is the largest of them."""
_TWICE = 2
_LESS_CACHED = 0.2
"""A cached share that is so much below the usual one is named as a driver."""


class Measure(StrEnum):
    """By what a conversation stands out."""

    COST = "cost"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A row of `anomalies.sql`. `usual_*` is the median of the tenant's conversations."""

    tenant: str | None
    workflow: str | None
    conversation_id: str
    started_at: datetime
    call_count: int
    turn_count: int
    retry_count: int
    failed_count: int
    input_tokens: int
    output_tokens: int
    cached_input_ratio: float | None
    cost_usd: Decimal | None
    unknown_cost_count: int
    measured: Decimal
    tenant_conversation_count: int
    tenant_p95: Decimal
    overall_p99: Decimal
    usual_turn_count: int
    usual_retry_count: int
    usual_call_tokens: float
    usual_cached_input_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The row of `anomalies_population.sql`."""

    conversation_count: int
    measured_count: int
    tenant_count: int
    small_tenant_count: int
    small_tenant_conversation_count: int
    request_count: int
    """Calls of all these conversations; the counts below are parts of it."""
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyRow:
    """One conversation that stands out, and why."""

    tenant: str | None = col("Tenant")
    workflow: str | None = col("Workflow")
    conversation_id: str = col("Conversation")
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    token_count: int = col("Tokens", Unit.TOKENS)
    times_tenant_p95: Decimal | None = col("x tenant p95", Unit.COUNT)
    tenant_p95_usd: Decimal | None = col("Tenant p95", Unit.USD)
    tenant_p95_tokens: int | None = col("Tenant p95", Unit.TOKENS)
    overall_p99_usd: Decimal | None = col("Overall p99", Unit.USD)
    overall_p99_tokens: int | None = col("Overall p99", Unit.TOKENS)
    turn_count: int = col("Turns", Unit.COUNT)
    call_count: int = col("Calls", Unit.COUNT)
    retry_count: int = col("Retries", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    cached_input_ratio: float | None = col("Cached share", Unit.RATIO)
    unknown_cost_count: int = col("Unknown cost", Unit.COUNT)
    started_at: datetime = col("Started", Unit.TIME)
    drivers: str = col("Drivers")


def anomaly_report(store: Store, part: Slice, measure: Measure) -> Table[AnomalyRow]:
    """The conversations of the slice that stand out, the largest first. Raises DataError."""
    found = find_anomalies(store, part, measure)
    return Table(
        row_type=AnomalyRow,
        rows=[_row(item, measure) for item in found],
        title=f"Conversations that stand out by {measure.value}",
        notes=tuple(population_notes(store, part, len(found), measure)),
    )


def find_anomalies(store: Store, part: Slice, measure: Measure) -> list[Anomaly]:
    """The conversations that stand out, the largest first. Raises DataError."""
    return query_slice(store, Anomaly, "anomalies", part, measure=measure.value)


def _row(item: Anomaly, measure: Measure) -> AnomalyRow:
    is_cost = measure is Measure.COST
    times = item.measured / item.tenant_p95 if item.tenant_p95 else None
    return AnomalyRow(
        tenant=item.tenant,
        workflow=item.workflow,
        conversation_id=item.conversation_id,
        cost_usd=item.cost_usd,
        token_count=item.input_tokens + item.output_tokens,
        times_tenant_p95=None if times is None else times.quantize(Decimal("0.1")),
        tenant_p95_usd=item.tenant_p95 if is_cost else None,
        tenant_p95_tokens=None if is_cost else int(item.tenant_p95),
        overall_p99_usd=item.overall_p99 if is_cost else None,
        overall_p99_tokens=None if is_cost else int(item.overall_p99),
        turn_count=item.turn_count,
        call_count=item.call_count,
        retry_count=item.retry_count,
        failed_count=item.failed_count,
        cached_input_ratio=item.cached_input_ratio,
        unknown_cost_count=item.unknown_cost_count,
        started_at=item.started_at,
        drivers=", ".join(drivers_of(item)) or "none of turns, retries, size and cache",
    )


def drivers_of(item: Anomaly) -> list[str]:
    """What the conversation has twice as much of as the tenant's median one, the most first."""
    size = (item.input_tokens + item.output_tokens) / item.call_count
    shares = [
        (item.turn_count, item.usual_turn_count, "turns"),
        (item.retry_count, item.usual_retry_count, "retries"),
        (size, item.usual_call_tokens, "tokens a call"),
    ]
    found = [
        (value / max(usual, 1), f"{_short(value)} {name} (usually {_short(usual)})")
        for value, usual, name in shares
        if value >= _TWICE * max(usual, 1)
    ]
    words = [text for _, text in sorted(found, reverse=True)]
    cached, usual = item.cached_input_ratio, item.usual_cached_input_ratio
    if cached is not None and usual is not None and usual - cached >= _LESS_CACHED:
        words.append(f"{cached:.0%} of the input cached (usually {usual:.0%})")
    return words


def _short(value: float) -> str:
    return f"{value:,.0f}"


def population_notes(
    store: Store, part: Slice, found_count: int, measure: Measure
) -> Iterator[str]:
    """Say of how many conversations these are, and which of them could not stand out."""
    [seen] = query_slice(
        store,
        Population,
        "anomalies_population",
        part,
        measure=measure.value,
        fewest=FEWEST_OF_TENANT,
    )
    yield (
        f"{part.describe()}: {share(found_count, seen.measured_count, 'conversation')} above twice"
        f" the p95 of their tenant and above the p99 of all, by {measure.value}"
        if seen.measured_count
        else f"{part.describe()}: no conversation has a known {measure.value}"
    )
    if seen.measured_count < FEWEST_OF_ALL:
        yield (
            f"of {counted(seen.measured_count, 'conversation')} none can be above the p99 of"
            f" all: that takes {FEWEST_OF_ALL}"
        )
    if seen.small_tenant_count:
        yield (
            f"{share(seen.small_tenant_count, seen.tenant_count, 'tenant')} with fewer than"
            f" {FEWEST_OF_TENANT} conversations: none of theirs"
            f" ({seen.small_tenant_conversation_count:,}) can stand out"
        )
    if unknown := seen.conversation_count - seen.measured_count:
        yield f"not looked at: {counted(unknown, 'conversation')} without a known cost"
    yield "quantiles by nearest rank, not rounded; drivers are held against the tenant's median"
    found = read_evidence(store, part)
    yield from source_notes(seen, found, part)
    yield from missing_notes(found, store.folded.in_flight_count)
