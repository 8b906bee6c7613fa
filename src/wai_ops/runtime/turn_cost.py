"""What all attempts of one turn cost together, and how far that can be believed."""

from collections.abc import Iterable
from decimal import Decimal

from wai_ops.core.money import CostState
from wai_ops.core.records import AttemptRecord


def cost_of_attempts(attempts: Iterable[AttemptRecord]) -> tuple[Decimal | None, str]:
    """Add up attempts. One whose cost nobody knows makes the sum unknown, which is not zero."""
    return total_cost((attempt.cost_usd, attempt.cost_state) for attempt in attempts)


def total_cost(costs: Iterable[tuple[Decimal | None, str | None]]) -> tuple[Decimal | None, str]:
    """Add up (dollars, state) pairs; the sum is believed as far as the least certain of them."""
    total = Decimal(0)
    states = set()
    for usd, state in costs:
        if usd is None:
            return None, CostState.UNKNOWN.value
        total += usd
        states.add(state)
    for state in (CostState.ESTIMATED, CostState.METERED, CostState.CONFIRMED):
        if state.value in states:
            return total, state.value
    return total, CostState.NONE.value
