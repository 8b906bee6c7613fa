"""Which model serves a turn: the order of the rules, what is passed over, and the same for all."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.routing import LARGE, LONG, MODELS, OTHER, SECTION, SMALL, facts_of, routing_of
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.routing.choose import choose
from wai_ops.control.routing.facts import ModelFacts, NoRouteError, RouteFacts, expected_cost
from wai_ops.control.routing.fit import obstacle, turn_cost
from wai_ops.core.errors import ExitCode

ROUTING = routing_of()
WARM: dict[str, Any] = {"conversation_model": LARGE, "cached_tokens": 9_000}


def passed(facts: RouteFacts) -> list[tuple[str, str, str]]:
    """What was passed over: model, the end of the rule, why."""
    return [
        (item.model, item.rule.removeprefix("support.routing."), item.reason)
        for item in choose(ROUTING, facts).passed_over
    ]


def test_a_new_turn_goes_to_the_model_of_its_tier_and_says_by_which_line() -> None:
    choice = choose(ROUTING, facts_of("medium"))
    assert (choice.model, choice.rule) == (LARGE, "support.routing.models.medium")
    assert choice.where == "policies/support.yaml:4"
    assert choice.reason == "the model of tier medium"
    assert choice.expected_cost_usd == Decimal("0.014")
    assert choice.switch is None


def test_budget_pressure_comes_before_a_short_context() -> None:
    facts = facts_of("medium", budget_used_ratio=Decimal("0.81"), input_tokens=100)
    choice = choose(ROUTING, facts)
    assert choice.model == SMALL
    assert choice.rule == "support.routing.downshift.budget_pressure"
    assert choice.where == "policies/support.yaml:7"
    assert choice.reason == "81% of the budget is used, above 80%"
    assert choose(ROUTING, replace(facts, budget_used_ratio=Decimal("0.8"))).model == OTHER


def test_a_short_context_is_below_the_limit_and_not_at_it() -> None:
    assert choose(ROUTING, facts_of(input_tokens=499)).model == OTHER
    assert choose(ROUTING, facts_of(input_tokens=500)).model == LARGE
    assert choose(ROUTING, facts_of(input_tokens=None)).model == LARGE
    assert choose(ROUTING, facts_of("high", input_tokens=499)).model == LARGE  # tiers: [medium]


def test_a_running_conversation_keeps_its_model() -> None:
    facts = facts_of("medium", conversation_model=OTHER, cached_tokens=9_000)
    choice = choose(ROUTING, facts)
    assert (choice.model, choice.rule) == (OTHER, "support.routing.conversation")
    assert choice.switch is None
    assert choice.expected_cost_usd == expected_cost(
        facts, MODELS[OTHER].rates, cached_tokens=9_000
    )


def test_a_conversation_leaves_its_model_when_the_turn_is_of_a_higher_tier() -> None:
    facts = facts_of(
        "high", conversation_model=SMALL, conversation_tier=RiskTier.LOW, cached_tokens=9_000
    )
    choice = choose(ROUTING, facts)
    assert choice.model == LARGE
    assert passed(facts) == [
        (SMALL, "conversation", "it was chosen for tier low, and this turn is high")
    ]
    assert choice.switch is not None
    assert (choice.switch.from_model, choice.switch.lost_tokens) == (SMALL, 9_000)
    assert choice.reason == (
        "the model of tier high; it leaves @cf/a/small and loses 9,000 cached tokens: $0.009 to"
        " read them here, $0.0009 there"
    )


def test_a_conversation_stays_when_its_model_is_that_of_the_higher_tier_too() -> None:
    facts = facts_of("high", conversation_model=LARGE, conversation_tier=RiskTier.LOW)
    assert choose(ROUTING, facts).rule == "support.routing.conversation"


def test_a_low_turn_moves_down_only_when_that_is_cheaper_with_the_cold_prefix() -> None:
    """9,000 warm tokens on the large model cost less than 10,000 cold ones on another."""
    medium: dict[str, Any] = {**WARM, "conversation_tier": RiskTier.MEDIUM}
    assert choose(ROUTING, facts_of("low", **medium)).model == SMALL
    dear = {**MODELS, SMALL: ModelFacts(context_window=32_000, rates=MODELS[LARGE].rates)}
    facts = facts_of("low", models=dear, **medium)
    choice = choose(ROUTING, facts)
    assert choice.model == LARGE
    assert passed(facts) == [
        (
            SMALL,
            "downshift.low_risk",
            "this turn is not cheaper than on @cf/a/large, with 9,000 cached tokens lost",
        )
    ]


def test_a_rule_may_leave_running_conversations_alone_or_move_them_at_any_price() -> None:
    """With 9,000 of 10,000 tokens warm the other model is dearer for this one turn."""
    close = {**MODELS, OTHER: replace(MODELS[OTHER], rates=MODELS[SMALL].rates)}
    close[LARGE] = replace(MODELS[OTHER], context_window=128_000)
    facts = facts_of(
        input_tokens=499, output_tokens=1, models=close, **WARM | {"cached_tokens": 490}
    )
    found = {}
    for when in ("never", "if_cheaper", "always"):
        text = SECTION.replace(
            "      tiers: [medium]\n", f"      tiers: [medium]\n      switch: {when}\n"
        )
        choice = choose(routing_of(text), facts)
        found[when] = (choice.model, [item.reason for item in choice.passed_over])
    assert found["never"] == (LARGE, ["the rule leaves running conversations on their model"])
    assert found["if_cheaper"][0] == LARGE
    assert "with 490 cached tokens lost" in found["if_cheaper"][1][0]
    assert found["always"] == (OTHER, [])


def test_what_would_certainly_fail_is_not_sent_but_falls_back_at_once() -> None:
    retired = {**MODELS, LARGE: replace(MODELS[LARGE], is_retired=True)}
    choice = choose(ROUTING, facts_of(models=retired))
    assert (choice.model, choice.rule) == (OTHER, "support.routing.fallbacks.0")
    assert choice.reason == "in place of @cf/a/large, which would fail: model_retired"
    assert [item.reason for item in choice.passed_over] == ["it is retired", "it is retired"]
    choice = choose(ROUTING, facts_of(input_tokens=200_000))
    assert (choice.model, choice.rule) == (LONG, "support.routing.fallbacks.2")
    assert choice.passed_over[0].reason == "201,000 tokens do not fit its context of 128,000"


def test_a_retired_model_serves_while_one_that_is_allowed_answers_for_it() -> None:
    alias = replace(MODELS[LARGE], is_retired=True, served_as=OTHER)
    facts = facts_of(models={**MODELS, LARGE: alias})
    assert choose(ROUTING, facts).model == LARGE
    facts = replace(facts, allowed=frozenset({LARGE, SMALL}))
    with pytest.raises(NoRouteError) as caught:
        choose(ROUTING, facts)
    assert caught.value.passed_over[0].reason == (
        "it is retired, and @cf/b/other, which answers for it, is not allowed"
    )


def test_a_model_without_a_price_cannot_serve_where_money_is_limited() -> None:
    free = {**MODELS, LARGE: ModelFacts(context_window=128_000)}
    assert choose(ROUTING, facts_of(models=free)).model == LARGE
    with pytest.raises(NoRouteError) as caught:
        choose(ROUTING, facts_of(models=free, is_money_limited=True))
    error = caught.value
    assert error.exit_code is ExitCode.DENIED
    assert error.message == (
        "no model may serve this turn of tier medium: @cf/a/large: it has no known price, and"
        " money is limited"
    )
    assert (error.rule, error.where) == ("support.routing.models.medium", "policies/support.yaml:4")


def test_a_downshift_to_a_model_of_unknown_price_is_no_downshift() -> None:
    free = {**MODELS, OTHER: ModelFacts(context_window=64_000)}
    facts = facts_of(input_tokens=100, models=free)
    assert choose(ROUTING, facts).model == LARGE
    assert passed(facts) == [
        (OTHER, "downshift.short_context", "whether it is cheaper than @cf/a/large is not known")
    ]


def test_without_the_length_of_a_turn_the_rates_say_what_is_cheaper() -> None:
    pressed: dict[str, Any] = {"input_tokens": None, "budget_used_ratio": Decimal("0.9")}
    assert choose(ROUTING, facts_of(**pressed)).model == SMALL
    # What the lost prefix costs cannot be known then, so a conversation stays.
    facts = facts_of(**pressed, **WARM)
    assert choose(ROUTING, facts).model == LARGE
    mixed = {**MODELS, SMALL: replace(MODELS[SMALL], rates=MODELS[LONG].rates)}
    assert choose(ROUTING, facts_of(**pressed, models=mixed)).model == LARGE


def test_a_tier_without_a_model_has_no_route() -> None:
    text = SECTION.replace('    high: "@cf/a/large"\n', "")
    with pytest.raises(NoRouteError, match=r"support\.routing names no model for tier high"):
        choose(routing_of(text), facts_of("high"))


def test_the_record_of_a_choice_is_json_with_money_as_text() -> None:
    facts = facts_of("low", conversation_model=LARGE, cached_tokens=9_000)
    record = choose(ROUTING, facts).to_record()
    assert json.loads(json.dumps(record)) == record
    assert record["switch"] == {
        "from_model": LARGE,
        "lost_tokens": 9_000,
        "warm_usd": "0.001440000000",
        "cold_usd": "0.000900000000",
    }


MODEL = st.sampled_from(sorted(MODELS))
RATES = st.sampled_from([item.rates for item in MODELS.values()] + [None])
KNOWN = st.builds(
    ModelFacts,
    context_window=st.none() | st.integers(100, 300_000),
    rates=RATES,
    is_retired=st.booleans(),
    served_as=st.none() | MODEL,
)
FACTS = st.builds(
    RouteFacts,
    risk_tier=st.sampled_from(RiskTier),
    allowed=st.frozensets(MODEL),
    models=st.dictionaries(MODEL, KNOWN),
    input_tokens=st.none() | st.integers(0, 400_000),
    output_tokens=st.none() | st.integers(0, 4_000),
    budget_used_ratio=st.none() | st.decimals(0, 2, places=2),
    is_money_limited=st.booleans(),
    conversation_model=st.none() | MODEL,
    conversation_tier=st.none() | st.sampled_from(RiskTier),
    cached_tokens=st.integers(0, 100_000),
)


def told(facts: RouteFacts) -> Mapping[str, Any]:
    """The whole answer as JSON types."""
    try:
        return choose(ROUTING, facts).to_record()
    except NoRouteError as error:
        return {"refused": error.message, "passed_over": [repr(i) for i in error.passed_over]}


@given(FACTS, st.randoms(use_true_random=False))
def test_the_order_of_mappings_and_sets_changes_nothing(facts: RouteFacts, rng: Any) -> None:
    items = list(facts.models.items())
    rng.shuffle(items)
    allowed = list(facts.allowed)
    rng.shuffle(allowed)
    other = replace(facts, models=dict(items), allowed=frozenset(allowed))
    shuffled = list(ROUTING.models.items())
    rng.shuffle(shuffled)
    again = replace(ROUTING, section=replace(ROUTING.section, models=dict(shuffled)))
    assert told(other) == told(facts)
    try:
        assert choose(again, facts) == choose(ROUTING, facts)
    except NoRouteError:
        with pytest.raises(NoRouteError):
            choose(again, facts)


@given(FACTS)
def test_whatever_is_chosen_may_serve_and_everything_passed_over_says_why(
    facts: RouteFacts,
) -> None:
    try:
        choice = choose(ROUTING, facts)
    except NoRouteError:
        with pytest.raises(NoRouteError) as caught:
            choose(ROUTING, facts)
        assert all(item.reason for item in caught.value.passed_over)
        return
    assert obstacle(facts, choice.model) is None
    assert choice.model in facts.allowed
    assert choice.reason
    assert choice.rule.startswith("support.routing.")
    assert all(item.reason and item.rule for item in choice.passed_over)
    assert choice.expected_cost_usd == turn_cost(facts, choice.model)
    if facts.is_money_limited:
        assert facts.models[choice.model].rates is not None
    was_kept = not any(item.rule.endswith(".conversation") for item in choice.passed_over)
    if ".downshift." in choice.rule and choice.switch is not None and was_kept:
        # Every rule of the section says if_cheaper: the cold prefix is part of the price.
        stay = turn_cost(facts, choice.switch.from_model)
        if stay is not None and choice.expected_cost_usd is not None:
            assert choice.expected_cost_usd < stay


IN_ANOTHER_PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from routing.test_route_choice import many
import json
print(json.dumps(many()))
"""


def many() -> list[Mapping[str, Any]]:
    """A few hundred answers, the same ones in every process."""
    found = []
    for number in range(600):
        models = [name for place, name in enumerate(MODELS) if (number >> place) & 1]
        facts = facts_of(
            ("low", "medium", "high")[number % 3],
            allowed=frozenset(models),
            input_tokens=(100, 10_000, 50_000, None)[number % 4],
            budget_used_ratio=(None, Decimal("0.5"), Decimal("0.95"))[number % 5 % 3],
            conversation_model=(None, *MODELS)[number % 7 % 5],
            cached_tokens=number * 10,
        )
        found.append(told(facts))
    return found


def test_another_process_with_another_hash_seed_answers_the_same() -> None:
    tests = str(Path(__file__).parent.parent)
    answers = []
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS, tests],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1] == many()
