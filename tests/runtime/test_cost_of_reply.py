"""From a reply to its row: what each end of an attempt costs, and how sure that is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.cloudflare.decode import Answer, ToolCall
from wai_ops.cloudflare.inference import Reply
from wai_ops.core.failures import TRAITS, Billed, FailureClass
from wai_ops.core.money import NO_COST, UNKNOWN_COST, CostState, Rates, Usage, cost_of
from wai_ops.core.records import AttemptRecord
from wai_ops.core.tokens import estimate_tokens
from wai_ops.runtime.affinity import Expectation
from wai_ops.runtime.record import (
    Pricing,
    complete,
    cost_of_reply,
    finished_after,
    quantile,
)

RATES = Rates(
    neurons_in_per_m=Decimal(1_000_000),
    neurons_cached_in_per_m=Decimal(500_000),
    neurons_out_per_m=Decimal(2_000_000),
    source="built-in",
    as_of="2026-08-28",
)
WORST = cost_of(Usage(input_tokens=10**6, output_tokens=10**6), RATES, CostState.ESTIMATED)
PRICING = Pricing(rates=RATES, estimated_input_tokens=100, worst_case=WORST)
UNPRICED = replace(PRICING, rates=None)
USAGE = Usage(input_tokens=10, output_tokens=4, cached_input_tokens=2)
METERED = cost_of(USAGE, RATES)
AT = datetime(2026, 10, 10, tzinfo=UTC)
STARTED = AttemptRecord(
    attempt_id="a",
    run_id="r",
    started_at=AT,
    tenant="t",
    workflow="w",
    conversation_id="c",
    turn_index=0,
    attempt=1,
    prompt_name="p",
    prompt_version="1",
    requested_model="m",
    target="cloudflare",
    endpoint="/x",
    streamed=True,
    cost_state="unknown",
    wai_version="0",
)


def reply(
    failure: FailureClass | None = None,
    *,
    usage: Usage | None = None,
    text: str = "",
    **changes: Any,
) -> Reply:
    """A reply that was sent and answered."""
    answer = Answer(text=text, usage=usage)
    values: dict[str, Any] = {"sent": True, "status": 200, "delivered": bool(text), **changes}
    return Reply(answer=answer, failure=failure, **values)


def row(of: Reply, **changes: Any) -> AttemptRecord:
    """The completed record of a reply."""
    values: dict[str, Any] = {
        "finished_at": AT,
        "served_model": "m",
        "pricing": PRICING,
        "expected": Expectation(cacheable_tokens=None, cause="cold"),
        **changes,
    }
    return complete(STARTED, of, **values)


# Cost


@pytest.mark.parametrize("failure", [None, *FailureClass])
@pytest.mark.parametrize("usage", [None, USAGE])
@pytest.mark.parametrize("priced", [True, False])
def test_every_end_of_an_attempt_has_its_cost(
    failure: FailureClass | None, usage: Usage | None, priced: bool
) -> None:
    """Nothing for what was refused, the metered price with usage, else an estimate or unknown."""
    cost = cost_of_reply(
        reply(failure, usage=usage, text="x" * 40), PRICING if priced else UNPRICED
    )
    billed = Billed.YES if failure is None else TRAITS[failure].billed
    if billed is Billed.NO:
        assert cost == NO_COST
    elif not priced:
        assert cost == UNKNOWN_COST
    elif billed is Billed.YES and usage:
        assert cost == METERED
    elif billed is Billed.YES:
        guess = Usage(input_tokens=100, output_tokens=10)
        assert cost == cost_of(guess, RATES, CostState.ESTIMATED)
    elif usage:
        assert cost == replace(METERED, state=CostState.ESTIMATED)
    else:
        assert cost == UNKNOWN_COST


@given(st.sampled_from(FailureClass), st.none() | st.just(USAGE))
def test_what_never_left_costs_nothing(failure: FailureClass, usage: Usage | None) -> None:
    assert cost_of_reply(reply(failure, usage=usage, sent=False), PRICING) == NO_COST
    assert cost_of_reply(reply(failure, usage=usage, sent=False), UNPRICED) == NO_COST


@pytest.mark.parametrize("status", ["HIT", "hit"])
def test_an_answer_from_the_gateways_own_cache_costs_nothing(status: str) -> None:
    hit = reply(usage=USAGE, headers={"cf-aig-cache-status": status})
    assert cost_of_reply(hit, PRICING) == NO_COST
    assert row(hit).gateway_cache_hit is True
    miss = reply(usage=USAGE, headers={"cf-aig-cache-status": "MISS"})
    assert cost_of_reply(miss, PRICING) == METERED
    assert row(miss).gateway_cache_hit is False
    assert row(reply(usage=USAGE)).gateway_cache_hit is None


def test_an_estimate_counts_everything_that_the_model_wrote() -> None:
    done = reply(text="x" * 40)
    done.answer.reasoning = "y" * 80
    done.answer.tool_calls = [ToolCall("c", "weather", '{"city":"Oslo"}')]
    written = "x" * 40 + "y" * 80 + 'weather{"city":"Oslo"}'
    guess = Usage(input_tokens=100, output_tokens=estimate_tokens(written))
    assert cost_of_reply(done, PRICING) == cost_of(guess, RATES, CostState.ESTIMATED)


# The row


def test_a_complete_answer_fills_its_row() -> None:
    done = reply(
        usage=USAGE,
        text="hi",
        headers={"cf-aig-log-id": "L", "cf-aig-event-id": "E", "cf-ray": "R"},
        connect_ms=1.23456,
        ttft_ms=100.0,
        duration_ms=400.0,
        gaps_ms=[50.0, 150.0, 100.0],
    )
    done.answer.finish_reason = "stop"
    found = row(done)
    assert (found.input_tokens, found.cached_input_tokens, found.output_tokens) == (10, 2, 4)
    assert (found.log_id, found.event_id, found.ray_id) == ("L", "E", "R")
    assert (found.connect_ms, found.ttft_ms, found.duration_ms) == (1.235, 100.0, 400.0)
    assert found.tpot_ms == 100.0  # 300 ms for the three tokens after the first
    assert (found.itl_p50_ms, found.itl_p95_ms, found.chunk_count) == (100.0, 150.0, 4)
    assert (found.cost_state, found.cost_usd) == ("metered", METERED.cost_usd)
    assert (found.in_usd_per_m, found.cached_in_usd_per_m, found.out_usd_per_m) == (
        Decimal(11),
        Decimal("5.5"),
        Decimal(22),
    )
    assert (found.price_source, found.price_as_of) == ("built-in", "2026-08-28")
    assert found.error_type is None
    assert found.response_sha256 is not None
    assert (found.affinity_result, found.affinity_cause) == ("partial", "shared_with_others")


def test_the_rates_of_the_row_give_its_cost() -> None:
    found = row(reply(usage=USAGE, text="hi"))
    assert found.in_usd_per_m is not None
    assert found.cached_in_usd_per_m is not None
    assert found.out_usd_per_m is not None
    assert found.cost_usd == (
        8 * found.in_usd_per_m + 2 * found.cached_in_usd_per_m + 4 * found.out_usd_per_m
    ) / Decimal(10**6)


@pytest.mark.parametrize("failure", [f for f in FailureClass if TRAITS[f].billed is not Billed.YES])
def test_a_failed_attempt_says_nothing_about_the_cache(failure: FailureClass) -> None:
    found = row(reply(failure, usage=USAGE, text="half", error_message="m", error_code=7))
    assert (found.affinity_result, found.affinity_cause) == (None, None)
    assert (found.error_type, found.error_message, found.error_code) == (failure.value, "m", 7)


@pytest.mark.parametrize(
    "failure", [FailureClass.OUTPUT_TRUNCATED, FailureClass.INVALID_OUTPUT, None]
)
def test_an_answer_that_came_to_its_end_does(failure: FailureClass | None) -> None:
    found = row(reply(failure, usage=USAGE, text="whole"))
    assert found.affinity_result == "partial"


def test_an_attempt_without_an_answer_has_neither_tokens_nor_hash() -> None:
    found = row(reply(FailureClass.NETWORK, status=None), served_model=None)
    assert (found.input_tokens, found.output_tokens, found.response_sha256) == (None, None, None)
    assert (found.ttft_ms, found.tpot_ms, found.itl_p50_ms, found.chunk_count) == (
        None,
        None,
        None,
        0,
    )
    assert (found.cost_state, found.cost_usd) == ("unknown", None)


@pytest.mark.parametrize("tokens", [0, 1])
def test_there_is_no_time_per_token_under_two_tokens(tokens: int) -> None:
    usage = Usage(input_tokens=1, output_tokens=tokens)
    assert row(reply(usage=usage, text="x", ttft_ms=1.0, duration_ms=2.0)).tpot_ms is None


def test_an_answer_in_one_piece_has_no_time_to_first_token() -> None:
    whole = reply(usage=USAGE, text="x", ttft_ms=5.0, duration_ms=5.0)
    found = complete(
        replace(STARTED, streamed=False),
        whole,
        finished_at=AT,
        served_model="m",
        pricing=PRICING,
        expected=Expectation(cacheable_tokens=None, cause="cold"),
    )
    assert (found.ttft_ms, found.tpot_ms) == (None, None)


def test_the_end_is_the_start_plus_what_the_monotonic_clock_measured() -> None:
    assert finished_after(AT, 1500.5) == AT + timedelta(seconds=1, microseconds=500_500)


# Quantiles


def by_definition(values: list[float], share: Fraction) -> float:
    """The smallest value that at least this share of all do not exceed."""
    for candidate in sorted(values):
        if Fraction(sum(value <= candidate for value in values), len(values)) >= share:
            return candidate
    raise AssertionError("the largest value reaches every share")


@given(st.lists(st.floats(0, 10**6), min_size=1, max_size=60), st.integers(1, 1000))
def test_a_quantile_is_the_nearest_rank(values: list[float], thousandths: int) -> None:
    share = Fraction(thousandths, 1000)
    assert quantile(values, thousandths / 1000) == by_definition(values, share)


def test_nothing_has_no_quantile_and_one_value_is_every_quantile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([7.0], 0.0) == 7.0
    assert quantile([7.0], 1.0) == 7.0
