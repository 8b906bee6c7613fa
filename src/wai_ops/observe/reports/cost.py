"""What the calls cost: by workflow, tenant, model, prompt or day.

`cost_usd` holds what the models' own usage says: metered and confirmed costs. Estimates stand in a
column of their own and are never added to it. Unknown costs are counted, never taken for zero: a
group of which no call has a known cost has none either. Calls that cost nothing are known to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import one_line
from wai_ops.core.window import Window
from wai_ops.observe.ledger.status import SHOW_QUARANTINE
from wai_ops.observe.ledger.store import Store

_NAMED = 5
"""So many unpriced models are named in a note."""


class By(StrEnum):
    """What one row of the report stands for."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    PROMPT = "prompt"
    DAY = "day"


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


@dataclass(frozen=True, kw_only=True)
class _Workflow:
    workflow: str = col("Workflow")


@dataclass(frozen=True, kw_only=True)
class _Tenant:
    tenant: str = col("Tenant")


@dataclass(frozen=True, kw_only=True)
class _Model:
    model: str = col("Model")


@dataclass(frozen=True, kw_only=True)
class _Prompt:
    prompt: str = col("Prompt")


@dataclass(frozen=True, kw_only=True)
class _Day:
    day: str = col("Day (UTC)")


@dataclass(frozen=True, kw_only=True)
class CostByWorkflow(CostNumbers, _Workflow):
    """One row a workflow."""


@dataclass(frozen=True, kw_only=True)
class CostByTenant(CostNumbers, _Tenant):
    """One row a tenant."""


@dataclass(frozen=True, kw_only=True)
class CostByModel(CostNumbers, _Model):
    """One row a model: the one that answered, where the answer said so."""


@dataclass(frozen=True, kw_only=True)
class CostByPrompt(CostNumbers, _Prompt):
    """One row a prompt version, `name@version`."""


@dataclass(frozen=True, kw_only=True)
class CostByDay(CostNumbers, _Day):
    """One row a UTC day on which calls started."""


ROW_TYPES: dict[By, type[CostNumbers]] = {
    By.WORKFLOW: CostByWorkflow,
    By.TENANT: CostByTenant,
    By.MODEL: CostByModel,
    By.PROMPT: CostByPrompt,
    By.DAY: CostByDay,
}


@dataclass(frozen=True, kw_only=True)
class CostGroup(CostNumbers):
    """A row of `cost.sql`: a group, or everything."""

    name: str | None
    is_total: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCoverage:
    """The row of `cost_coverage.sql`: what the report stands on, and what it could not cover."""

    request_count: int
    run_count: int
    unpriced_count: int
    unreported_count: int
    estimated_count: int
    local_count: int
    cache_unreported_count: int
    unpriced_models: list[str]
    price_sources: list[str]
    quarantined_count: int


def cost_report(store: Store, window: Window, by: By = By.WORKFLOW) -> Table[CostNumbers]:
    """Cost per group over the window, dearest first, with a total and notes. Raises DataError."""
    ends = {"since": window.since, "until": window.until}
    groups = store.query(CostGroup, "cost", grouping=by.value, **ends)
    coverage = store.query(CostCoverage, "cost_coverage", **ends)[0]
    rows = [_row(group, by) for group in groups if not group.is_total]
    totals = [_row(group, by) for group in groups if group.is_total]
    return Table(
        row_type=ROW_TYPES[by],
        rows=rows,
        title=f"Cost by {by.value}",
        notes=tuple(_notes(window, coverage, store.folded.in_flight_count)),
        total=totals[0] if totals else None,
    )


def _row(group: CostGroup, by: By) -> CostNumbers:
    numbers: dict[str, Any] = {item.name: getattr(group, item.name) for item in fields(CostNumbers)}
    name = "total" if group.is_total else group.name
    return ROW_TYPES[by](**numbers | {by.value: name})


def _notes(window: Window, seen: CostCoverage, in_flight: int) -> Iterator[str]:
    total = seen.request_count
    yield f"{window.describe()}: {_count(total, 'request')} of {_count(seen.run_count, 'run')}"
    if seen.unpriced_count:
        models = ", ".join(one_line(model, 80) for model in seen.unpriced_models[:_NAMED])
        more = len(seen.unpriced_models) - _NAMED
        yield (
            f"{_share(seen.unpriced_count, total)} had no known price"
            f" ({models}{f' and {more} more' if more > 0 else ''}):"
            " their cost is unknown and in no sum here"
        )
    if seen.unreported_count:
        yield (
            f"{_share(seen.unreported_count, total)} may have been billed, and nobody said how"
            " much: their cost is unknown and in no sum here"
        )
    if seen.estimated_count:
        yield (
            f"{_share(seen.estimated_count, total)} have an estimated cost only, which stands in"
            " its own column and is not part of the cost"
        )
    if seen.cache_unreported_count:
        yield (
            f"{_share(seen.cache_unreported_count, total)} did not report cached tokens and are"
            " not part of the cached share"
        )
    if seen.local_count:
        yield (
            f"{_share(seen.local_count, total)} were served by the local emulator: list prices,"
            " nothing was billed"
        )
    if seen.price_sources:
        yield f"prices: {', '.join(one_line(source, 80) for source in seen.price_sources)}"
    if seen.quarantined_count:
        yield (
            f"{_count(seen.quarantined_count, 'fact')} could not be read and may be missing here;"
            f" see: {SHOW_QUARANTINE}"
        )
    if in_flight:
        yield f"{_count(in_flight, 'attempt')} still in flight and not in these numbers"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {_count(whole, 'request')} ({100 * part / whole:.1f}%)"
