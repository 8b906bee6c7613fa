"""What one request can cost at most. Pure.

A request cannot have more input than the model's context window, nor more output than what it asks
for; nothing is taken to be cached.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from wai_ops.config.budget_settings import BudgetSettings
from wai_ops.core.money import Usage, cost_of
from wai_ops.core.prices import PriceBook


def worst_request_usd(
    model: str, prices: PriceBook, at: datetime, *, max_output_tokens: int
) -> Decimal | None:
    """The most that one request to a model can cost, in dollars; None: not known."""
    found, rates = prices.model(model, at), prices.rates(model, at)
    if found is None or rates is None or found.context_window is None:
        return None
    usage = Usage(input_tokens=found.context_window, output_tokens=max_output_tokens)
    return cost_of(usage, rates).cost_usd


def worst_by_budget(
    budgets: Mapping[str, BudgetSettings],
    prices: PriceBook,
    at: datetime,
    *,
    max_output_tokens: int,
    default_model: str,
) -> dict[str, Decimal]:
    """Budget -> the dearest request under it; left out where a model of its scope is not known.

    A budget without models in its scope is taken to be about `default_model` alone.
    """
    found: dict[str, Decimal] = {}
    for name, budget in budgets.items():
        models = budget.scope.model or (default_model,)
        costs = [
            worst_request_usd(model, prices, at, max_output_tokens=max_output_tokens)
            for model in models
        ]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            found[name] = max(known)
    return found
