"""What a call costs. Neurons are the billing truth; dollars are derived from them. All Decimal.

The rule, from the provider's price page: input includes cached input, so

    cost = (input - cached) x in + cached x cached_in + output x out

with rates per million tokens, and 1,000 neurons cost $0.011.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

USD_PER_NEURON = Decimal("0.000011")
"""$0.011 per 1,000 neurons (Workers AI pricing page)."""
FREE_NEURONS_PER_DAY = Decimal(10_000)
"""Per account and UTC day, on free and paid plans alike (Workers AI pricing page)."""
COST_DIGITS = Decimal("0.000000000001")
"""Twelve places: what one token at an integer neuron rate needs, and DECIMAL(18,12) holds."""
_MILLION = Decimal(1_000_000)
_NEURON_DIGITS = Decimal("0.000001")


class CostState(StrEnum):
    """How far a cost can be believed."""

    ESTIMATED = "estimated"
    """Computed before the call, or after it without usage."""
    METERED = "metered"
    """Computed from the usage that the model reported."""
    CONFIRMED = "confirmed"
    """Metered, and the gateway's own log row agrees."""
    UNKNOWN = "unknown"
    """It may have been billed and nobody said how much, or the model has no known price."""
    NONE = "none"
    """Nothing was billed: the request was refused before any work or never left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Neurons per million tokens. None means that no price is known for that kind of token."""

    neurons_in_per_m: Decimal
    neurons_cached_in_per_m: Decimal | None
    neurons_out_per_m: Decimal | None
    source: str
    """Where the rates come from: `built-in`, `catalogue` or `config`."""
    as_of: str
    """The date of that source, YYYY-MM-DD."""

    @property
    def in_usd_per_m(self) -> Decimal:
        """Dollars per million uncached input tokens."""
        return self.neurons_in_per_m * USD_PER_NEURON

    @property
    def cached_in_usd_per_m(self) -> Decimal:
        """Dollars per million cached input tokens; the full input rate where none is published."""
        cached = self.neurons_cached_in_per_m
        return (self.neurons_in_per_m if cached is None else cached) * USD_PER_NEURON

    @property
    def out_usd_per_m(self) -> Decimal | None:
        """Dollars per million output tokens."""
        return None if self.neurons_out_per_m is None else self.neurons_out_per_m * USD_PER_NEURON


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one call; None means that the model did not say.

    `cached_input_tokens` is a subset of `input_tokens`, `reasoning_tokens` one of `output_tokens`.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An amount in dollars and neurons, and how far it can be believed. Both None: unknown."""

    state: CostState
    cost_usd: Decimal | None = None
    neurons: Decimal | None = None


UNKNOWN_COST = Cost(state=CostState.UNKNOWN)
NO_COST = Cost(state=CostState.NONE, cost_usd=Decimal(0), neurons=Decimal(0))


def neurons_from_usd(usd_per_m: Decimal) -> Decimal:
    """Turn a dollar rate into neurons, to six places: for prices published in dollars only."""
    return (usd_per_m / USD_PER_NEURON).quantize(_NEURON_DIGITS)


def cost_of(usage: Usage, rates: Rates | None, state: CostState = CostState.METERED) -> Cost:
    """Price one call. An unpriced model, or unpriced output, is unknown and never zero."""
    if rates is None or (rates.neurons_out_per_m is None and usage.output_tokens > 0):
        return UNKNOWN_COST
    # A provider that reports more cached than input tokens must not produce a negative cost.
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
    cached_rate = rates.neurons_cached_in_per_m
    neurons = (
        (usage.input_tokens - cached) * rates.neurons_in_per_m
        + cached * (rates.neurons_in_per_m if cached_rate is None else cached_rate)
        + usage.output_tokens * (rates.neurons_out_per_m or Decimal(0))
    ) / _MILLION
    return Cost(
        state=state,
        cost_usd=(neurons * USD_PER_NEURON).quantize(COST_DIGITS),
        neurons=neurons,
    )
