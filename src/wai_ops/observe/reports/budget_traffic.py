"""Which calls there were, by the keys that budgets know them by."""

from dataclasses import dataclass
from decimal import Decimal

from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRow:
    """A row of `budget_traffic.sql`. None: the calls do not carry the key."""

    tenant: str | None
    workflow: str | None
    prompt: str | None
    """`name@version`."""
    model: str | None
    call_count: int
    cost_usd: Decimal
    """As far as it is known."""
    unpriced_count: int
    """Calls that went through, of models without a price."""
    cached_count: int
    """Answers of the gateway's own cache."""
    foreign_count: int
    """Calls that were not sent through `wai`, as far as this ledger knows."""


def budget_traffic(store: Store, part: Slice) -> list[TrafficRow]:
    """The calls of a slice. Raises DataError."""
    return query_slice(store, TrafficRow, "budget_traffic", part)
