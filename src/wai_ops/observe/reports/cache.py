"""How much of the input came from the prefix cache, held against a target; and, kept apart, how
many calls the gateway answered from its own cache of whole responses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from wai_ops.observe.reports.group import row_type_by, row_type_named, to_row
from wai_ops.observe.reports.query import query_rolled
from wai_ops.observe.reports.slice import DAYS, Dimension, Slice


class TargetVerdict(StrEnum):
    """Whether a group reaches its target."""

    MET = "met"
    MISSED = "missed"
    NO_DATA = "no data"
    """There is a target, and no call reported cached tokens."""


@dataclass(frozen=True, kw_only=True)
class CacheNumbers:
    """The numbers of one group. The prefix cache saves input tokens, the gateway's whole calls."""

    request_count: int = col("Requests", Unit.COUNT)
    reported_count: int = col("Report it", Unit.COUNT)
    """Calls that reached a model which reports cached tokens; the next six stand on them."""
    input_tokens: int = col("Input tokens", Unit.TOKENS)
    cached_input_tokens: int = col("Cached input", Unit.TOKENS)
    cached_input_ratio: float | None = col("Cached share", Unit.RATIO)
    target_ratio: Decimal | None = col("Target", Unit.RATIO)
    target_verdict: TargetVerdict | None = col("Verdict")
    short_tokens: int | None = col("Short of it", Unit.TOKENS)
    """Cached input tokens that are missing to the target, rounded up; 0 where it is met."""
    cache_saved_usd: Decimal | None = col("Saved", Unit.USD)
    cold_prefix_cost_usd: Decimal | None = col("Cold prefix", Unit.USD)
    gateway_cache_hit_count: int = col("Gateway cache hits", Unit.COUNT)
    """Calls that never reached a model: the gateway's cache of whole responses answered."""
    gateway_cache_hit_ratio: float | None = col("Gateway hit share", Unit.RATIO)


def __getattr__(name: str) -> type[CacheNumbers]:
    """`CacheByDay` and its like, made when they are asked for."""
    return row_type_named(CacheNumbers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheGroup:
    """A row of `cache.sql`: a group, or everything, with what the notes need."""

    name: str | None
    is_total: bool
    request_count: int
    reported_count: int
    input_tokens: int
    cached_input_tokens: int
    cached_input_ratio: float | None
    cache_saved_usd: Decimal | None
    cold_prefix_cost_usd: Decimal | None
    gateway_cache_hit_count: int
    gateway_cache_hit_ratio: float | None
    both_count: int
    gateway_only_count: int
    client_only_count: int
    contract_missing_count: int
    local_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTargets:
    """The least cached share: by workflow, and for all others. None: no target."""

    default: Decimal | None = None
    workflows: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, group: CacheGroup, by: Dimension) -> Decimal | None:
        """The target of a group; of groups that mix workflows it is the default."""
        if by is Dimension.WORKFLOW and group.name is not None and not group.is_total:
            return self.workflows.get(group.name, self.default)
        return self.default


def cache_report(
    store: Store,
    part: Slice,
    by: Dimension = Dimension.WORKFLOW,
    targets: CacheTargets | None = None,
    *,
    is_rolled: bool = True,
) -> Table[CacheNumbers]:
    """Both caches per group over the slice, most input first. Raises DataError."""
    targets = targets or CacheTargets()
    kept = DAYS if is_rolled else None
    groups = query_rolled(store, CacheGroup, "cache", part, by, kept=kept)
    found = read_evidence(store, part)
    total = next((group for group in groups if group.is_total), None)
    notes = [f"{part.describe()}: {counted(total.request_count if total else 0, 'request')}"]
    if total is not None:
        unreported = total.request_count - total.reported_count - total.gateway_cache_hit_count
        if unreported > 0:
            notes.append(
                f"{share(unreported, total.request_count)} did not report cached tokens and are not"
                " part of the cached share"
            )
        if total.gateway_cache_hit_count:
            notes.append(
                f"{share(total.gateway_cache_hit_count, total.request_count)} were answered by the"
                " gateway's cache of whole responses, cost nothing and are not part of the cached"
                " share"
            )
        notes += source_notes(total, found, part)
        if targets.default is None and not targets.workflows:
            notes.append("there is no target; set cache.target_ratio in wai.yaml")
    notes += missing_notes(found, store.folded.in_flight_count)
    return Table(
        row_type=row_type_by(CacheNumbers, by),
        rows=[_row(group, by, targets) for group in groups if not group.is_total],
        title=f"Cached input by {by.value}",
        notes=tuple(notes),
        total=None if total is None else _row(total, by, targets),
    )


def _row(group: CacheGroup, by: Dimension, targets: CacheTargets) -> CacheNumbers:
    target = targets.of(group, by)
    short = None if target is None else shortfall(group, target)
    return to_row(
        group,
        CacheNumbers,
        by,
        target_ratio=target,
        target_verdict=None if target is None else _verdict(short),
        short_tokens=short,
    )


def _verdict(short: int | None) -> TargetVerdict:
    if short is None:
        return TargetVerdict.NO_DATA
    return TargetVerdict.MISSED if short else TargetVerdict.MET


def shortfall(group: CacheGroup, target: Decimal) -> int | None:
    """Cached tokens missing to the target, exactly; None where no input was reported."""
    if not group.input_tokens:
        return None
    numerator, denominator = target.as_integer_ratio()
    wanted = -(-group.input_tokens * numerator // denominator)
    return max(0, wanted - group.cached_input_tokens)
