"""Who has the conversations that stand out: a row a tenant, a workflow, a model, a day.

Which conversations these are is decided as without a grouping: each against its own tenant, and
against all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.core.table import Table, Unit, col
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.anomalies import Measure, find_anomalies, population_notes
from wai_ops.observe.reports.group import row_type_by, row_type_named, to_row
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Dimension, Slice

_SINGLE = (Dimension.TENANT, Dimension.WORKFLOW)
"""All calls of a conversation have the same."""


@dataclass(frozen=True, kw_only=True)
class AnomalyNumbers:
    """The conversations of one group that stand out; `cost_usd` and `token_count` are of all."""

    anomaly_count: int = col("Stand out", Unit.COUNT)
    conversation_count: int = col("Conversations", Unit.COUNT)
    anomaly_ratio: float = col("Share of them", Unit.RATIO)
    anomaly_cost_usd: Decimal | None = col("Cost", Unit.USD)
    cost_usd: Decimal | None = col("Cost of all", Unit.USD)
    cost_ratio: float | None = col("Share of cost", Unit.RATIO)
    anomaly_token_count: int = col("Tokens", Unit.TOKENS)
    token_count: int = col("Tokens of all", Unit.TOKENS)
    call_count: int = col("Calls", Unit.COUNT)
    """These and the next three are of the conversations that stand out."""
    retry_count: int = col("Retries", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    unknown_cost_count: int = col("Unknown cost", Unit.COUNT)
    first_at: datetime | None = col("First", Unit.TIME)
    last_at: datetime | None = col("Last", Unit.TIME)
    largest: str | None = col("Largest")
    """`tenant:workflow:conversation` of the one with the most; `wai report timeline` takes it."""


def __getattr__(name: str) -> type[AnomalyNumbers]:
    """`AnomalyByTenant` and its like, made when they are asked for."""
    return row_type_named(AnomalyNumbers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyGroup:
    """A row of `anomalies_by.sql`."""

    name: str | None
    is_total: bool
    anomaly_count: int
    conversation_count: int
    anomaly_cost_usd: Decimal | None
    cost_usd: Decimal | None
    anomaly_token_count: int
    token_count: int
    call_count: int
    retry_count: int
    failed_count: int
    unknown_cost_count: int
    first_at: datetime | None
    last_at: datetime | None
    largest: str | None


def anomalies_by(
    store: Store, part: Slice, measure: Measure, by: Dimension
) -> Table[AnomalyNumbers]:
    """The groups that have such conversations, the most cost or tokens first. Raises DataError.

    The total is of all groups; the shares of it are of all conversations of the slice.
    """
    found = find_anomalies(store, part, measure)
    groups = query_slice(
        store,
        AnomalyGroup,
        "anomalies_by",
        part,
        by,
        measure=measure.value,
        tenants=[item.tenant for item in found],
        workflows=[item.workflow for item in found],
        conversations=[item.conversation_id for item in found],
        measured=[item.measured for item in found],
    )
    rows = [_row(group, by) for group in groups]
    first, *rest = population_notes(store, part, len(found), measure)
    return Table(
        row_type=row_type_by(AnomalyNumbers, by),
        rows=[row for row, group in zip(rows, groups, strict=True) if not group.is_total],
        title=f"Conversations that stand out by {measure.value}, by {by.value}",
        notes=(first, *_notes(by), *rest),
        total=rows[-1] if rows else None,
    )


def _row(group: AnomalyGroup, by: Dimension) -> AnomalyNumbers:
    part, whole = group.anomaly_cost_usd, group.cost_usd
    return to_row(
        group,
        AnomalyNumbers,
        by,
        anomaly_ratio=group.anomaly_count / group.conversation_count,
        cost_ratio=float(part / whole) if part is not None and whole else None,
    )


def _notes(by: Dimension) -> Iterator[str]:
    if by not in _SINGLE:
        yield (
            f"a conversation counts under every {by.value} that one of its calls has, with what"
            " those calls cost"
        )
