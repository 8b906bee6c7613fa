"""What the ledger knows of Workers AI, by UTC day: for comparing it with the account's bills."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from wai_ops.observe.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A row of `billed_days.sql`."""

    on_day: date
    """In which the calls ended."""
    call_count: int
    neurons: Decimal
    """Of metered and confirmed calls."""
    list_usd: Decimal
    """What those cost without any free allowance."""
    estimated_neurons: Decimal
    """On top, and only estimated."""
    prepaid_neurons: Decimal
    """Those of `neurons` that prepaid credits paid for."""
    prepaid_usd: Decimal
    crossing_neurons: Decimal
    """Of calls that began on another day."""
    unknown_count: int
    """Calls whose neurons nobody knows."""
    client_only_count: int
    """Calls through a gateway whose log row is not in the ledger."""


def used_by_day(store: Store, since: datetime, until: datetime, *, is_local: bool) -> list[Used]:
    """Days in [since, until) with calls. `is_local`: those that the emulator served instead.

    Raises DataError.
    """
    return store.query(Used, "billed_days", since=since, until=until, is_local=is_local)
