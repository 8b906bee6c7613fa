"""What attempts cost that nobody could price when they ended: the gateway may know since."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.observe.ledger.store import Store


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """One attempt with a known cost."""

    attempt_id: str
    cost_usd: Decimal


def attempt_costs(store: Store, attempt_ids: Collection[str]) -> Mapping[str, Decimal]:
    """Attempt -> dollars, of those whose cost the ledger knows; the others are left out."""
    rows = store.query(AttemptCost, "attempt_costs", ids=sorted(attempt_ids))
    return {row.attempt_id: row.cost_usd for row in rows}
