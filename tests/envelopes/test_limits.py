"""What two envelopes come to together, and which limit a call would pass first."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.config.decode import validate
from wai_ops.config.yaml_strict import parse
from wai_ops.control.envelopes.enforce import Breach, CallFacts, first_breach, fit_output
from wai_ops.control.envelopes.limits import LimitPlace, Limits, limits_of
from wai_ops.control.envelopes.model import NAMES, Envelope

COUNTS = st.one_of(st.none(), st.integers(1, 9))
MONEY = st.one_of(st.none(), st.decimals(Decimal("0.01"), 10, places=2))
ENVELOPES = st.builds(
    Envelope,
    max_output_tokens=COUNTS,
    max_retries=COUNTS,
    max_turns=COUNTS,
    max_context_tokens=COUNTS,
    max_tool_calls=COUNTS,
    cache_target=st.one_of(st.none(), st.decimals(Decimal("0.01"), 1, places=2)),
    per_turn_usd=MONEY,
    per_conversation_usd=MONEY,
)
FACTS = CallFacts(
    turn_index=0,
    estimated_input_tokens=100,
    max_output_tokens=50,
    worst_usd=Decimal("0.01"),
    model="@cf/acme/model",
)


def facts(**changes: Any) -> CallFacts:
    """A call with something special about it."""
    return CallFacts(**({item.name: getattr(FACTS, item.name) for item in fields(FACTS)} | changes))


def is_tighter_or_equal(name: str, one: Any, other: Any) -> bool:
    """Whether a limit allows no more than another one."""
    if other is None:
        return True
    if one is None:
        return False
    return bool(one >= other if name == "cache_target" else one <= other)


@given(ENVELOPES, ENVELOPES)
def test_both_together_are_never_looser_than_either(one: Envelope, other: Envelope) -> None:
    both = one.tightened(other)
    for name in NAMES:
        value = getattr(both, name)
        assert value in (getattr(one, name), getattr(other, name))
        assert is_tighter_or_equal(name, value, getattr(one, name))
        assert is_tighter_or_equal(name, value, getattr(other, name))
    assert both == other.tightened(one)
    assert both.tightened(one) == both


@given(ENVELOPES, ENVELOPES)
def test_what_a_prompt_loosens_is_named_and_what_it_tightens_knows_its_place(
    policy: Envelope, prompt: Envelope
) -> None:
    policy_places = {name: LimitPlace(rule=f"w.envelope.{name}", where="p:1") for name in NAMES}
    prompt_places = {name: LimitPlace(rule=f"x.envelope.{name}", where="q:2") for name in NAMES}
    limits, loosened = limits_of(policy, policy_places, prompt, prompt_places)
    for name in NAMES:
        said, asked = getattr(policy, name), getattr(prompt, name)
        held = getattr(limits.envelope, name)
        assert (name in loosened) is (asked is not None and asked != held)
        if held is not None:
            assert limits.place(name).where == ("p:1" if held == said else "q:2")


def limited(**limits: Any) -> Limits:
    """An envelope whose places are not known."""
    return Limits(envelope=Envelope(**limits))


def test_a_lower_output_limit_replaces_a_default_and_refuses_a_wish() -> None:
    limits = limited(max_output_tokens=40)
    assert fit_output(limits, 100, is_given=False) == 40
    assert fit_output(limits, 30, is_given=False) == 30
    assert fit_output(limits, 40, is_given=True) == 40
    refused = fit_output(limits, 41, is_given=True)
    assert isinstance(refused, Breach)
    assert not refused.is_money
    assert fit_output(limited(), 10**6, is_given=True) == 10**6


@pytest.mark.parametrize(
    ("limits", "changes", "name"),
    [
        ({"max_turns": 3}, {"turn_index": 3}, "max_turns"),
        ({"max_turns": 3}, {"turn_index": 2}, None),
        ({"max_context_tokens": 99}, {}, "max_context_tokens"),
        ({"max_context_tokens": 100}, {}, None),
        ({"per_turn_usd": Decimal("0.009")}, {}, "per_turn_usd"),
        ({"per_turn_usd": Decimal("0.01")}, {}, None),
        ({"per_turn_usd": Decimal("0.01")}, {"at_risk_usd": Decimal("0.001")}, "per_turn_usd"),
        ({"per_turn_usd": Decimal(1)}, {"worst_usd": None}, "per_turn_usd"),
        ({"per_conversation_usd": Decimal(1)}, {"worst_usd": None}, "per_conversation_usd"),
        ({}, {"worst_usd": None}, None),
    ],
)
def test_the_first_limit_that_is_passed_is_the_one_that_is_named(
    limits: dict[str, Any], changes: dict[str, Any], name: str | None
) -> None:
    found = first_breach(limited(**limits), facts(**changes))
    assert (None if found is None else found.name) == name


def test_a_price_must_be_known_wherever_a_budget_holds() -> None:
    found = first_breach(limited(), facts(worst_usd=None), is_shared=True)
    assert found is not None
    assert found.is_money
    assert "no price is known for @cf/acme/model" in found.reason


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_turn: 3", "unknown key `max_turn`; did you mean `max_turns`?"),
        ("max_retries: 10", "max_retries: must be between 0 and 9, not 10"),
        ("max_turns: 0", "max_turns: must be between 1 and 100000, not 0"),
        ("max_turns: 1.5", "max_turns: must be a whole number, not 1.5"),
        ("cache_target: 1.1", "cache_target: must be above 0 and at most 1, not 1.1"),
        ("per_turn_usd: 0", "per_turn_usd: must be above 0 and at most 1000000 dollars, not 0"),
        ("per_turn_usd: lots", 'per_turn_usd: must be a number, plain or in quotes, not "lots"'),
    ],
)
def test_a_section_that_is_wrong_says_what_and_where(text: str, problem: str) -> None:
    value, problems = validate(parse(text.encode(), "policies/x.yaml"), Envelope)
    assert value is None
    [found] = problems
    assert found.message == problem
    assert found.mark.line == 1


def test_money_is_read_to_the_last_digit() -> None:
    value, problems = validate(parse(b"per_turn_usd: 0.000000123456", "x.yaml"), Envelope)
    assert problems == []
    assert value is not None
    assert value.per_turn_usd == Decimal("0.000000123456")
