"""What affinity brings: hits and misses with their causes, time to first token, money.

A call is judged by the client that sent it, because only the client knows what could have been
cached. Time is compared within conversations: a conversation's own misses against its own hits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import comb

from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import (
    missing_notes,
    read_evidence,
    share,
    source_notes,
)
from wai_ops.observe.reports.group import row_type_by, row_type_named, to_row
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Dimension, Slice

_EXACT_PAIRS = 200
"""Up to so many pairs the interval's ranks come from the binomial distribution itself."""
FEWEST_PAIRS = 6
"""With fewer no interval holds the median with 95%: 2 x 0.5^5 is above 5%."""


@dataclass(frozen=True, kw_only=True)
class AffinityNumbers:
    """The numbers of one group. Causes are counted over misses and partial hits."""

    request_count: int = col("Requests", Unit.COUNT)
    hit_count: int = col("Hits", Unit.COUNT)
    partial_count: int = col("Partial", Unit.COUNT)
    miss_count: int = col("Misses", Unit.COUNT)
    unjudged_count: int = col("Not judged", Unit.COUNT)
    """Calls that no client judged, or whose model does not report cached tokens."""
    hit_ratio: float | None = col("Hit share", Unit.RATIO)
    cold_count: int = col("Cold", Unit.COUNT)
    expired_count: int = col("Expired", Unit.COUNT)
    rotated_count: int = col("Rotated", Unit.COUNT)
    model_changed_count: int = col("Model changed", Unit.COUNT)
    prefix_changed_count: int = col("Prefix changed", Unit.COUNT)
    checkpoint_count: int = col("Checkpoint", Unit.COUNT)
    too_short_count: int = col("Too short", Unit.COUNT)
    rerouted_count: int = col("Rerouted or evicted", Unit.COUNT)
    shared_count: int = col("Shared with others", Unit.COUNT)
    other_cause_count: int = col("Other cause", Unit.COUNT)
    hit_ttft_p50_ms: float | None = col("TTFT p50 hit", Unit.MS)
    miss_ttft_p50_ms: float | None = col("TTFT p50 miss", Unit.MS)
    pair_count: int = col("Pairs", Unit.COUNT)
    """Conversations with a hit and a miss that were both timed."""
    ttft_gain_ms: float | None = col("TTFT gain", Unit.MS)
    """The median over these conversations of what a hit saves; negative: hits are slower."""
    ttft_gain_low_ms: float | None = col("Gain, low", Unit.MS)
    ttft_gain_high_ms: float | None = col("Gain, high", Unit.MS)
    cache_saved_usd: Decimal | None = col("Saved", Unit.USD)
    cold_prefix_cost_usd: Decimal | None = col("Missed", Unit.USD)


def __getattr__(name: str) -> type[AffinityNumbers]:
    """`AffinityByDay` and its like, made when they are asked for."""
    return row_type_named(AffinityNumbers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityGroup:
    """A row of `affinity.sql`: a group, or everything, with what the notes need."""

    name: str | None
    is_total: bool
    request_count: int
    hit_count: int
    partial_count: int
    miss_count: int
    unjudged_count: int
    hit_ratio: float | None
    cold_count: int
    expired_count: int
    rotated_count: int
    model_changed_count: int
    prefix_changed_count: int
    checkpoint_count: int
    too_short_count: int
    rerouted_count: int
    shared_count: int
    other_cause_count: int
    hit_ttft_p50_ms: float | None
    miss_ttft_p50_ms: float | None
    cache_saved_usd: Decimal | None
    cold_prefix_cost_usd: Decimal | None
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """A row of `affinity_pairs.sql`."""

    name: str | None
    is_total: bool
    pair_count: int
    gain_ms: float
    low_ms: float | None
    high_ms: float | None


def affinity_report(
    store: Store, part: Slice, by: Dimension = Dimension.WORKFLOW
) -> Table[AffinityNumbers]:
    """Hits, causes, time and money per group over the slice. Raises DataError."""
    groups = query_slice(store, AffinityGroup, "affinity", part, by)
    rows = query_slice(store, Pairs, "affinity_pairs", part, by, ranks=list(low_ranks()))
    pairs = {(row.name, row.is_total): row for row in rows}
    found = read_evidence(store, part)
    total = next((group for group in groups if group.is_total), None)
    notes = [f"{part.describe()}: {counted(total.request_count if total else 0, 'request')}"]
    if total is not None:
        notes += _notes(total)
        notes += source_notes(total, found, part)
    notes += missing_notes(found, store.folded.in_flight_count)
    return Table(
        row_type=row_type_by(AffinityNumbers, by),
        rows=[_row(group, by, pairs) for group in groups if not group.is_total],
        title=f"Affinity by {by.value}",
        notes=tuple(notes),
        total=None if total is None else _row(total, by, pairs),
    )


@cache
def low_ranks() -> tuple[int, ...]:
    """The sign test's lower rank for 1, 2, ... pairs at 95%; 0 where there are too few.

    The largest k with P(X < k) <= 2.5% for X ~ Binomial(n, 1/2): the median lies between the k-th
    smallest and the k-th largest difference with at least 95%.
    """
    ranks = []
    for pairs in range(1, _EXACT_PAIRS + 1):
        rank, below = 0, 1
        while 40 * below <= 2**pairs:
            rank += 1
            below += comb(pairs, rank)
        ranks.append(rank)
    return tuple(ranks)


def _row(
    group: AffinityGroup, by: Dimension, pairs: dict[tuple[str | None, bool], Pairs]
) -> AffinityNumbers:
    pair = pairs.get((group.name, group.is_total))
    return to_row(
        group,
        AffinityNumbers,
        by,
        pair_count=0 if pair is None else pair.pair_count,
        ttft_gain_ms=None if pair is None or pair.low_ms is None else pair.gain_ms,
        ttft_gain_low_ms=None if pair is None else pair.low_ms,
        ttft_gain_high_ms=None if pair is None else pair.high_ms,
    )


def _notes(total: AffinityGroup) -> Iterator[str]:
    if total.unjudged_count:
        yield (
            f"{share(total.unjudged_count, total.request_count)} are not judged: the model reports"
            " no cached tokens, or no client recorded what could have been cached"
        )
    yield (
        "TTFT gain: the median over conversations of (median of its misses - median of its hits),"
        f" with a 95% interval from order statistics (sign test); empty below {FEWEST_PAIRS} pairs."
        " First turns are cold and short, so the gain of long prompts is rather larger"
    )
