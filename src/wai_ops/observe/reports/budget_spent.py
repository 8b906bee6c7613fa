"""What was spent in a window, by all that budgets tell calls apart by."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.observe.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A row of `budget_spent.sql`. None: the calls do not carry the key."""

    step_at: datetime | None
    """The beginning of the step in which the calls ended; None: all in one."""
    tenant: str | None
    workflow: str | None
    prompt: str | None
    """`name@version`."""
    model: str | None
    """As it was asked for."""
    call_count: int
    cost_usd: Decimal
    """Metered and confirmed."""
    estimated_cost_usd: Decimal | None
    unknown_cost_count: int
    gateway_only_count: int
    """Known from the gateway's log alone: calls of other clients."""
    local_count: int
    """Served by the local emulator: list prices, nothing was billed."""


def spent_between(
    store: Store, since: datetime, until: datetime, *, step_s: int = 0
) -> list[Spent]:
    """Calls that ended in [since, until), summed up; by steps of `step_s` seconds, if given.

    Steps begin with whole multiples since 1970: days with `86400`. Raises DataError.
    """
    return store.query(Spent, "budget_spent", since=since, until=until, step_s=step_s)
