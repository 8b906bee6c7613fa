"""A section `routing` as a file has it, and facts to ask it about."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.config.decode import validate
from wai_ops.config.problems import Problem
from wai_ops.config.yaml_strict import parse
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.routing.facts import ModelFacts, RouteFacts
from wai_ops.control.routing.model import Routing, RoutingSection, placed
from wai_ops.core.money import Rates, neurons_from_usd

SMALL, LARGE, OTHER, LONG = "@cf/a/small", "@cf/a/large", "@cf/b/other", "@cf/b/long"
SECTION = """\
routing:
  models:
    low: "@cf/a/small"
    medium: "@cf/a/large"
    high: "@cf/a/large"
  downshift:
    budget_pressure: {budget_used_above: 0.8, model: "@cf/a/small", tiers: [medium]}
    low_risk: {}
    short_context:
      input_tokens_below: 500
      model: "@cf/b/other"
      tiers: [medium]
  fallbacks:
    - after: [capacity, rate_limited_model, model_retired]
      models: ["@cf/a/large", "@cf/b/other"]
    - after: [timeout_first_token]
      models: ["@cf/b/other"]
      maybe_billed: counted
    - after: [context_too_long]
      models: ["@cf/b/other", "@cf/b/long"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic

    routing: RoutingSection


def section_of(text: str) -> tuple[Routing | None, list[Problem]]:
    """Decode a file that has nothing but the section."""
    document = parse(text.encode(), "policies/support.yaml")
    found, problems = validate(document, _File)
    if found is None:
        return None, problems
    return placed(found.routing, document, ("routing",), workflow="support"), problems


def routing_of(text: str = SECTION) -> Routing:
    """A section without problems."""
    found, problems = section_of(text)
    assert found is not None, problems
    return found


def rates_of(usd_in: str, usd_out: str, usd_cached: str | None = None) -> Rates:
    """Dollars per million tokens."""
    return Rates(
        neurons_in_per_m=neurons_from_usd(Decimal(usd_in)),
        neurons_cached_in_per_m=None
        if usd_cached is None
        else neurons_from_usd(Decimal(usd_cached)),
        neurons_out_per_m=neurons_from_usd(Decimal(usd_out)),
        source="config",
        as_of="2026-11-01",
    )


MODELS = {
    SMALL: ModelFacts(context_window=32_000, rates=rates_of("0.1", "0.3")),
    LARGE: ModelFacts(context_window=128_000, rates=rates_of("1", "4", "0.16")),
    OTHER: ModelFacts(context_window=64_000, rates=rates_of("0.2", "0.5", "0.05")),
    LONG: ModelFacts(context_window=1_000_000, rates=rates_of("2", "6")),
}


def facts_of(tier: str = "medium", **changes: Any) -> RouteFacts:
    """A turn of 10,000 tokens in and 1,000 reserved, for which every model is allowed."""
    values: dict[str, Any] = {
        "risk_tier": RiskTier(tier),
        "allowed": frozenset(MODELS),
        "models": MODELS,
        "input_tokens": 10_000,
        "output_tokens": 1_000,
    }
    return RouteFacts(**values | changes)
