"""What routing decides upon, and what it answers. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.control.policy.action import RiskTier
from wai_ops.core.errors import DeniedError
from wai_ops.core.money import Rates, Usage, cost_of
from wai_ops.core.prices import PriceBook


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model. None means that nobody says."""

    context_window: int | None = None
    """In tokens, input and output together."""
    rates: Rates | None = None
    """None: no known price."""
    is_retired: bool = False
    served_as: str | None = None
    """Who answers, and is billed, in its place once it is retired."""


def model_facts(prices: PriceBook, model: str, at: datetime) -> ModelFacts:
    """Look a model up in the price book, as known at that time."""
    found = prices.model(model, at)
    rates = prices.rates(model, at)
    if found is None:
        return ModelFacts(rates=rates)
    is_retired = found.is_retired(at.date())
    window = found.context_window
    if is_retired and found.served_as is not None:
        successor = prices.model(found.served_as, at)
        window = None if successor is None else successor.context_window
    return ModelFacts(
        context_window=window,
        rates=rates,
        is_retired=is_retired,
        served_as=found.served_as if is_retired else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFacts:
    """One turn that is about to be sent. The same facts always get the same choice."""

    risk_tier: RiskTier
    allowed: frozenset[str]
    """The models that the policy allows for this tier."""
    models: Mapping[str, ModelFacts]
    """Every model that the section names; one that is missing is not known at all."""
    input_tokens: int | None = None
    """Estimated, history included; None: not known."""
    output_tokens: int | None = None
    """What is reserved for the answer."""
    budget_used_ratio: Decimal | None = None
    """The used share of the tightest limit; None: there is no limit."""
    is_money_limited: bool = False
    """Whether a limit in dollars holds: then a model without a price cannot serve."""
    conversation_model: str | None = None
    """The model that the running conversation is on; None: it begins with this turn."""
    conversation_tier: RiskTier | None = None
    """The highest tier of the turns that this model has served in it; None: not known."""
    cached_tokens: int = 0
    """The tokens of the prefix that are expected to be warm on that model."""

    def to_record(self) -> dict[str, Any]:
        """What a decision record keeps: the facts that nothing else of it says."""
        tier = self.conversation_tier
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "budget_used_ratio": _text(self.budget_used_ratio),
            "is_money_limited": self.is_money_limited,
            "conversation_model": self.conversation_model,
            "conversation_tier": None if tier is None else tier.value,
            "cached_tokens": self.cached_tokens,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A model that a rule named and that does not serve, and why."""

    model: str
    rule: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A running conversation leaves its model, and the prefix that is cached there."""

    from_model: str
    lost_tokens: int
    """Tokens that would have been read from the cache."""
    warm_usd: Decimal | None
    """What reading them there would have cost; None: no known price."""
    cold_usd: Decimal | None
    """What reading them on the new model costs; None: no known price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChoice:
    """The model of a turn, or of the next attempt, and why."""

    model: str
    rule: str
    """`support.routing.models.low`."""
    where: str
    """`policies/support.yaml:12`."""
    reason: str
    """One sentence for people."""
    expected_cost_usd: Decimal | None
    """With the expected cached part and the whole of the reserved output; None: not known."""
    passed_over: tuple[PassedOver, ...] = ()
    """In the order in which they were looked at."""
    switch: Switch | None = None
    tried: tuple[str, ...] = ()
    """The models that failed before this one, in order."""
    is_maybe_billed: bool = False
    """Whether the attempt before this one may have been billed: it stays counted."""
    facts: RouteFacts = field(repr=False)

    def to_record(self) -> dict[str, Any]:
        """What a decision record keeps of it: JSON types, money as text."""
        record: dict[str, Any] = {
            "model": self.model,
            "rule": self.rule,
            "where": self.where,
            "reason": self.reason,
            "expected_cost_usd": _text(self.expected_cost_usd),
            "passed_over": [
                {"model": item.model, "rule": item.rule, "where": item.where, "reason": item.reason}
                for item in self.passed_over
            ],
        }
        record["facts"] = self.facts.to_record()
        if self.tried:
            record["tried"] = list(self.tried)
            record["is_maybe_billed"] = self.is_maybe_billed
        if self.switch is not None:
            record["switch"] = {
                "from_model": self.switch.from_model,
                "lost_tokens": self.switch.lost_tokens,
                "warm_usd": _text(self.switch.warm_usd),
                "cold_usd": _text(self.switch.cold_usd),
            }
        return record


class NoRouteError(DeniedError):
    """No model may serve this turn. Nothing was sent."""

    def __init__(
        self, message: str, *, rule: str, where: str, passed_over: tuple[PassedOver, ...]
    ) -> None:
        """Keep the rule that was asked last, and every model with what kept it from serving."""
        super().__init__(message, where=where or None, hint="see: wai route explain")
        self.rule = rule
        self.passed_over = passed_over


def expected_cost(
    facts: RouteFacts, rates: Rates | None, *, cached_tokens: int = 0
) -> Decimal | None:
    """What the turn costs at these rates with so much of its prefix warm; None: not known."""
    if facts.input_tokens is None or facts.output_tokens is None or rates is None:
        return None
    usage = Usage(
        input_tokens=facts.input_tokens,
        output_tokens=facts.output_tokens,
        cached_input_tokens=min(cached_tokens, facts.input_tokens),
    )
    return cost_of(usage, rates).cost_usd


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
