"""Money is exact: every cost agrees with fractions to the last of twelve places."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.money import (
    COST_DIGITS,
    NO_COST,
    UNKNOWN_COST,
    USD_PER_NEURON,
    CostState,
    Rates,
    Usage,
    cost_of,
    neurons_from_usd,
)

TOKENS = st.integers(0, 5_000_000)
PUBLISHED = st.integers(0, 2_000_000).map(Decimal)
DERIVED = st.decimals(0, 500, places=4).map(neurons_from_usd)
RATE = PUBLISHED | DERIVED


def rates(
    price_in: Decimal, cached: Decimal | None = None, out: Decimal | None = Decimal(0)
) -> Rates:
    """Rates of a test, in neurons per million."""
    return Rates(
        neurons_in_per_m=price_in,
        neurons_cached_in_per_m=cached,
        neurons_out_per_m=out,
        source="built-in",
        as_of="2026-08-28",
    )


def neurons_by_fractions(usage: Usage, of: Rates) -> Fraction:
    """The documented formula, written once more with exact numbers."""
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
    cached_rate = of.neurons_cached_in_per_m
    if cached_rate is None:
        cached_rate = of.neurons_in_per_m
    return (
        (usage.input_tokens - cached) * Fraction(of.neurons_in_per_m)
        + cached * Fraction(cached_rate)
        + usage.output_tokens * Fraction(of.neurons_out_per_m or 0)
    ) / 1_000_000


def test_a_thousand_neurons_cost_one_point_one_cents() -> None:
    assert Decimal("0.011") == 1000 * USD_PER_NEURON


@given(TOKENS, TOKENS, TOKENS | st.none(), RATE, RATE | st.none(), RATE)
def test_neurons_are_exact_and_dollars_are_rounded_once(
    input_tokens: int,
    output_tokens: int,
    cached: int | None,
    price_in: Decimal,
    price_cached: Decimal | None,
    price_out: Decimal,
) -> None:
    usage = Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cached_input_tokens=cached
    )
    of = rates(price_in, price_cached, price_out)
    cost = cost_of(usage, of)
    assert cost.neurons is not None
    assert cost.cost_usd is not None
    exact = neurons_by_fractions(usage, of)
    assert Fraction(cost.neurons) == exact
    dollars = exact * Fraction(11, 1_000_000)
    assert abs(Fraction(cost.cost_usd) - dollars) <= Fraction(1, 2 * 10**12)
    assert cost.cost_usd.as_tuple().exponent == -12
    assert cost.state is CostState.METERED


@given(TOKENS, TOKENS, TOKENS, PUBLISHED, PUBLISHED, PUBLISHED)
def test_at_published_neuron_rates_even_dollars_are_exact(
    input_tokens: int,
    output_tokens: int,
    cached: int,
    price_in: Decimal,
    price_cached: Decimal,
    price_out: Decimal,
) -> None:
    usage = Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cached_input_tokens=cached
    )
    of = rates(price_in, price_cached, price_out)
    cost = cost_of(usage, of)
    assert cost.cost_usd is not None
    assert Fraction(cost.cost_usd) == neurons_by_fractions(usage, of) * Fraction(11, 1_000_000)


@given(TOKENS, st.integers(1, 10**7), RATE, RATE)
def test_more_cached_than_input_is_never_a_refund(
    input_tokens: int, surplus: int, price_in: Decimal, price_cached: Decimal
) -> None:
    of = rates(price_in, price_cached)
    boast = Usage(
        input_tokens=input_tokens, output_tokens=0, cached_input_tokens=input_tokens + surplus
    )
    all_cached = Usage(input_tokens=input_tokens, output_tokens=0, cached_input_tokens=input_tokens)
    assert cost_of(boast, of) == cost_of(all_cached, of)


@given(TOKENS, TOKENS, RATE)
def test_without_a_cached_price_cached_tokens_cost_the_full_rate(
    input_tokens: int, cached: int, price_in: Decimal
) -> None:
    with_cache = Usage(input_tokens=input_tokens, output_tokens=0, cached_input_tokens=cached)
    without = Usage(input_tokens=input_tokens, output_tokens=0)
    assert cost_of(with_cache, rates(price_in)) == cost_of(without, rates(price_in))


def test_a_cached_price_of_zero_is_a_price() -> None:
    usage = Usage(input_tokens=100, output_tokens=0, cached_input_tokens=100)
    assert cost_of(usage, rates(Decimal(1000), Decimal(0))).neurons == 0


@given(TOKENS, TOKENS, st.sampled_from(CostState))
def test_an_unpriced_model_is_unknown_and_never_zero(
    input_tokens: int, output_tokens: int, state: CostState
) -> None:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    assert cost_of(usage, None, state) is UNKNOWN_COST
    assert (UNKNOWN_COST.cost_usd, UNKNOWN_COST.neurons) == (None, None)


def test_unpriced_output_is_unknown_unless_there_was_none() -> None:
    of = rates(Decimal(1000), out=None)
    assert cost_of(Usage(input_tokens=5, output_tokens=1), of) is UNKNOWN_COST
    priced = cost_of(Usage(input_tokens=5, output_tokens=0), of)
    assert priced.neurons == Decimal("0.005")


def test_nothing_billed_is_a_known_zero() -> None:
    assert NO_COST.state is CostState.NONE
    assert NO_COST.cost_usd == 0
    assert NO_COST.neurons == 0


@given(st.decimals(0, 1000, places=5))
def test_a_dollar_rate_turned_into_neurons_comes_back_within_half_a_digit(usd: Decimal) -> None:
    neurons = neurons_from_usd(usd)
    assert abs(Fraction(neurons) * Fraction(USD_PER_NEURON) - Fraction(usd)) <= Fraction(11, 2) / (
        10**12
    )


def test_the_documented_sample_call() -> None:
    """1,695 in of which 1,694 cached, 76 out, on kimi-k2.6: 24.64 + 27.64 neurons and a little."""
    usage = Usage(input_tokens=1695, output_tokens=76, cached_input_tokens=1694)
    cost = cost_of(usage, rates(Decimal(86364), Decimal(14545), Decimal(363636)))
    assert cost.neurons == Decimal("52.361930")
    assert cost.cost_usd == Decimal("0.000575981230")


@pytest.mark.parametrize("digits", [18])
def test_the_dearest_call_fits_the_ledger_column(digits: int) -> None:
    """DECIMAL(18,12) holds a million dollars: a context of ten million tokens is far below."""
    usage = Usage(input_tokens=10**7, output_tokens=10**7)
    cost = cost_of(usage, rates(Decimal(443756), out=Decimal(606061)))
    assert cost.cost_usd is not None
    assert len(cost.cost_usd.as_tuple().digits) <= digits
    assert cost.cost_usd == cost.cost_usd.quantize(COST_DIGITS)
