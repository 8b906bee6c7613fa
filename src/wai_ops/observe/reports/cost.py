"""What the calls cost, by workflow, tenant, model, day and more, and what of it was wasted.

`cost_usd` holds what the models' own usage says: metered and confirmed costs. Estimates stand in a
column of their own and are never added to it. Unknown costs are counted, never taken for zero: a
group of which no call has a known cost has none either. Calls that cost nothing are known to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from wai_ops.core.money import FREE_NEURONS_PER_DAY, USD_PER_NEURON
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import (
    Evidence,
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.group import row_type_by, row_type_named, to_row
from wai_ops.observe.reports.query import query_rolled, query_slice
from wai_ops.observe.reports.resolved import (
    Ended,
    ResolvedGroup,
    ended_conversations,
    per_resolved,
)
from wai_ops.observe.reports.slice import DAYS, Condition, Dimension, RollUp, Slice

MOST_CONVERSATIONS = 1000
"""More rows than that are not made of conversations, of which there can be millions."""
_NAMED = 5
"""So many unpriced models are named in a note."""


# No slots below: Python cannot lay out a class with two slotted bases, and the group comes first.


@dataclass(frozen=True, kw_only=True)
class CostNumbers:
    """The numbers of one group. A cost of None: no call of the group is in that state."""

    request_count: int = col("Requests", Unit.COUNT)
    run_count: int = col("Runs", Unit.COUNT)
    failed_count: int = col("Failed", Unit.COUNT)
    input_tokens: int = col("Input tokens", Unit.TOKENS)
    cached_input_tokens: int = col("Cached input", Unit.TOKENS)
    output_tokens: int = col("Output tokens", Unit.TOKENS)
    cached_input_ratio: float | None = col("Cached share", Unit.RATIO)
    metered_cost_usd: Decimal | None = col("Metered", Unit.USD)
    confirmed_cost_usd: Decimal | None = col("Confirmed", Unit.USD)
    estimated_cost_usd: Decimal | None = col("Estimated", Unit.USD)
    unknown_cost_count: int = col("Unknown cost", Unit.COUNT)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    neurons: Decimal | None = col("Neurons", Unit.NEURONS)
    retried_cost_usd: Decimal | None = col("Retried", Unit.USD)
    failed_run_cost_usd: Decimal | None = col("Failed runs", Unit.USD)
    truncated_cost_usd: Decimal | None = col("Truncated", Unit.USD)
    cold_prefix_cost_usd: Decimal | None = col("Cold prefix", Unit.USD)
    denied_count: int = col("Denied", Unit.COUNT)
    conversation_count: int | None = col("Conversations", Unit.COUNT)
    resolved_count: int | None = col("Resolved", Unit.COUNT)
    resolved_cost_usd: Decimal | None = col("Per resolved", Unit.USD)
    """All known cost of the group, for each of its conversations that ended as resolved."""


def __getattr__(name: str) -> type[CostNumbers]:
    """`CostByDay` and its like, made when they are asked for."""
    return row_type_named(CostNumbers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostGroup:
    """A row of `cost.sql`: a group, or everything, with what the notes need."""

    name: str | None
    is_total: bool
    request_count: int
    run_count: int
    failed_count: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cached_input_ratio: float | None
    metered_cost_usd: Decimal | None
    confirmed_cost_usd: Decimal | None
    estimated_cost_usd: Decimal | None
    unknown_cost_count: int
    cost_usd: Decimal | None
    neurons: Decimal | None
    retried_cost_usd: Decimal | None
    failed_run_cost_usd: Decimal | None
    truncated_cost_usd: Decimal | None
    cold_prefix_cost_usd: Decimal | None
    denied_count: int
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    estimated_count: int
    unpriced_count: int
    usage_count: int
    cache_reported_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupName:
    """A row of `cost_dearest.sql`."""

    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSource:
    """A row of `cost_prices.sql`."""

    price_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedModel:
    """A row of `cost_unpriced.sql`."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The row of `cost_allocation.sql`."""

    neurons: Decimal
    free_neurons: Decimal
    day_count: int


def cost_report(
    store: Store, part: Slice, by: Dimension = Dimension.WORKFLOW, *, is_rolled: bool = True
) -> Table[CostNumbers]:
    """Cost per group over the slice, dearest first, with a total and notes. Raises DataError.

    Without `is_rolled` the table answers alone; the figures are the same.
    """
    kept = DAYS if is_rolled else None
    found = read_evidence(store, part)
    dearest = _dearest(store, part, by)
    groups = query_rolled(store, CostGroup, "cost", dearest or part, by, kept=kept)
    ended: Ended = {}
    if found.outcome_count:
        ended = ended_conversations(store, dearest or part, by, is_rolled=is_rolled)
    if dearest is not None:
        everything = query_rolled(store, CostGroup, "cost", part, kept=kept)
        groups = [group for group in groups if not group.is_total]
        groups += [group for group in everything if group.is_total]
        if ended:
            of_all = ended_conversations(store, part, Dimension.WORKFLOW, is_rolled=is_rolled)
            ended[None, True] = of_all[None, True]
    total = next((group for group in groups if group.is_total), None)
    notes = [f"{part.describe()}: 0 requests of 0 runs"]
    if total is not None:
        notes = list(_notes(store, part, total, kept=kept))
        if dearest is not None:
            notes.append(
                f"the {MOST_CONVERSATIONS:,} dearest conversations are shown; the total is of all"
            )
        notes += source_notes(total, found, part)
        notes += _outcome_notes(found, ended.get((None, True)))
    notes += missing_notes(found, store.folded.in_flight_count)
    return Table(
        row_type=row_type_by(CostNumbers, by),
        rows=[_row(group, by, ended) for group in groups if not group.is_total],
        title=f"Cost by {by.value}",
        notes=tuple(notes),
        total=None if total is None else _row(total, by, ended),
    )


def _dearest(store: Store, part: Slice, by: Dimension) -> Slice | None:
    """Of very many conversations the slice of the dearest; None where all can be shown."""
    if by is not Dimension.CONVERSATION:
        return None
    most = MOST_CONVERSATIONS
    names = query_slice(store, GroupName, "cost_dearest", part, by, most=most + 1)
    if len(names) <= most:
        return None
    chosen = tuple(Condition(by, row.name or "") for row in names[:most])
    others = tuple(item for item in part.where if item.key is not by or not item.is_equal)
    return replace(part, where=chosen + others)


def _row(group: CostGroup, by: Dimension, ended: Ended) -> CostNumbers:
    if not ended:
        return to_row(group, CostNumbers, by)
    end = ended.get((group.name, group.is_total))
    resolved = 0 if end is None else end.resolved_count
    is_priced = group.cost_usd is not None and resolved > 0
    return to_row(
        group,
        CostNumbers,
        by,
        conversation_count=0 if end is None else end.conversation_count,
        resolved_count=resolved,
        resolved_cost_usd=per_resolved(group.cost_usd, resolved) if is_priced else None,
    )


def _notes(store: Store, part: Slice, total: CostGroup, *, kept: RollUp | None) -> Iterator[str]:
    count = total.request_count
    runs = counted(total.run_count, "run")
    yield f"{part.describe()}: {counted(count, 'request')} of {runs}"
    if total.unpriced_count:
        models = query_rolled(
            store, UnpricedModel, "cost_unpriced", part, Dimension.MODEL, kept=kept
        )
        named = ", ".join(one_line(row.model, 80) for row in models[:_NAMED])
        more = len(models) - _NAMED
        yield (
            f"{share(total.unpriced_count, count)} had no known price"
            f" ({named}{f' and {more} more' if more > 0 else ''}):"
            " their cost is unknown and in no sum here"
        )
    if unreported := total.unknown_cost_count - total.unpriced_count:
        yield (
            f"{share(unreported, count)} may have been billed, and nobody said how"
            " much: their cost is unknown and in no sum here"
        )
    if total.estimated_count:
        yield (
            f"{share(total.estimated_count, count)} have an estimated cost only, which stands in"
            " its own column and is not part of the cost"
        )
    if (silent := total.usage_count - total.cache_reported_count) > 0:
        yield (
            f"{share(silent, count)} did not report cached tokens and are"
            " not part of the cached share"
        )
    prices = query_rolled(store, PriceSource, "cost_prices", part, kept=kept)
    if prices:
        yield f"prices: {', '.join(one_line(row.price_source, 80) for row in prices)}"
    yield from _allocation_notes(store, part, kept=kept)


def _allocation_notes(store: Store, part: Slice, *, kept: RollUp | None) -> Iterator[str]:
    free = FREE_NEURONS_PER_DAY
    [seen] = query_rolled(store, Allocation, "cost_allocation", part, kept=kept, free=free)
    if not seen.day_count:
        return
    ratio = 100 * seen.free_neurons / seen.neurons
    yield (
        f"the free allocation of {free:,f} neurons a UTC day would have covered {ratio:.1f}% of"
        f" these neurons (${seen.free_neurons * USD_PER_NEURON:,.6f}), if the account had no other"
        " calls: it is not subtracted here"
    )


def _outcome_notes(found: Evidence, total: ResolvedGroup | None) -> Iterator[str]:
    if not found.outcome_count:
        yield (
            "no outcome of a conversation was ever recorded, so the cost of a resolved workflow is"
            " unknown; see: wai outcomes record"
        )
    elif total is not None and total.open_count:
        yield (
            f"{share(total.open_count, total.conversation_count, 'conversation')} have no recorded"
            " outcome and count as not resolved"
        )
