"""Whether a model may serve a turn, and what it costs there against where the turn would stay."""

from decimal import Decimal

from wai_ops.control.routing.facts import ModelFacts, RouteFacts, Switch, expected_cost
from wai_ops.core.money import COST_DIGITS, Rates

_MILLION = Decimal(1_000_000)
NOT_ALLOWED = "the policy does not allow it for tier {tier}"
RETIRED = "it is retired"


def obstacle(facts: RouteFacts, model: str) -> str | None:
    """What keeps the model from serving the turn; None: nothing that is known."""
    if model not in facts.allowed:
        return NOT_ALLOWED.format(tier=facts.risk_tier)
    known = facts.models.get(model, ModelFacts())
    if known.is_retired:
        if known.served_as is None:
            return RETIRED
        if known.served_as not in facts.allowed:
            return f"{RETIRED}, and {known.served_as}, which answers for it, is not allowed"
    if not fits(facts, model):
        needed = (facts.input_tokens or 0) + (facts.output_tokens or 0)
        return f"{needed:,} tokens do not fit its context of {known.context_window:,}"
    if facts.is_money_limited and not _is_priced(known.rates):
        return "it has no known price, and money is limited"
    return None


def fits(facts: RouteFacts, model: str) -> bool:
    """Whether input and reserved output fit the context; what nobody says does not keep it out."""
    window = facts.models.get(model, ModelFacts()).context_window
    if window is None:
        return True
    return (facts.input_tokens or 0) + (facts.output_tokens or 0) <= window


def is_retired(facts: RouteFacts, model: str) -> bool:
    """Whether the model is withdrawn."""
    return facts.models.get(model, ModelFacts()).is_retired


def turn_cost(facts: RouteFacts, model: str, *, is_cold: bool = False) -> Decimal | None:
    """What the turn is expected to cost there; only the conversation's own model is warm."""
    warm = facts.cached_tokens if model == facts.conversation_model and not is_cold else 0
    return expected_cost(facts, rates_of(facts, model), cached_tokens=warm)


def rates_of(facts: RouteFacts, model: str) -> Rates | None:
    """The model's rates; None: no known price."""
    return facts.models.get(model, ModelFacts()).rates


def is_cheaper(facts: RouteFacts, model: str, than: str, *, is_cold: bool = False) -> bool | None:
    """Whether this turn costs less on `model` than on `than`; None: that cannot be known.

    With `is_cold` as if neither had a warm prefix. Without the turn's length the rates speak:
    none may be higher, and one must be lower.
    """
    new = turn_cost(facts, model, is_cold=is_cold)
    old = turn_cost(facts, than, is_cold=is_cold)
    if new is not None and old is not None:
        return new < old
    if facts.cached_tokens and than == facts.conversation_model and not is_cold:
        return None  # without a length nobody knows what the lost prefix costs
    ours, theirs = _components(facts, model), _components(facts, than)
    if ours is None or theirs is None:
        return None
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def switch_to(facts: RouteFacts, model: str) -> Switch | None:
    """What leaving the conversation's model for this one loses; None: it stays, or begins."""
    if facts.conversation_model is None or facts.conversation_model == model:
        return None
    lost = facts.cached_tokens
    warm, cold = rates_of(facts, facts.conversation_model), rates_of(facts, model)
    return Switch(
        from_model=facts.conversation_model,
        lost_tokens=lost,
        warm_usd=None if warm is None else _read(lost, warm.cached_in_usd_per_m),
        cold_usd=None if cold is None else _read(lost, cold.in_usd_per_m),
    )


def _read(tokens: int, usd_per_m: Decimal) -> Decimal:
    return (tokens * usd_per_m / _MILLION).quantize(COST_DIGITS)


def _is_priced(rates: Rates | None) -> bool:
    return rates is not None and rates.neurons_out_per_m is not None


def _components(facts: RouteFacts, model: str) -> tuple[Decimal, Decimal] | None:
    rates = rates_of(facts, model)
    if rates is None or rates.neurons_out_per_m is None:
        return None
    return rates.neurons_in_per_m, rates.neurons_out_per_m
