"""The section `routing` of a policy file: what is refused, and where."""

import pytest

from support.routing import LARGE, LONG, OTHER, SECTION, SMALL, routing_of, section_of
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.routing.check import models_named, routing_problems
from wai_ops.control.routing.describe import described
from wai_ops.control.routing.model import FallbackClass
from wai_ops.core.failures import TRAITS, Billed, FailureClass

LOW, MEDIUM, HIGH = RiskTier
EVERY = [SMALL, LARGE, OTHER, LONG]
ALLOWED = {LOW: EVERY, MEDIUM: EVERY, HIGH: EVERY}


def test_every_rule_knows_its_line() -> None:
    routing = routing_of()
    lines = SECTION.splitlines()
    for path, text in (
        ("models.low", "    low:"),
        ("models.high", "    high:"),
        ("downshift.low_risk", "    low_risk:"),
        ("downshift.short_context", "    short_context:"),
        ("fallbacks.1", "    - after: [timeout_first_token]"),
    ):
        line = next(number for number, each in enumerate(lines, 1) if each.startswith(text))
        assert routing.where(path) == f"policies/support.yaml:{line}"
    # A part without a line of its own has that of the part around it.
    assert routing.where("fallbacks.1.models.7") == routing.where("fallbacks.1.models")
    assert routing.where("conversation") == "policies/support.yaml:1"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  downshift:", "  downshft:", "unknown key `downshft` in `routing`; did you mean"),
        ("budget_used_above: 0.8", "budget_used_above: 80", "must be above 0 and at most 1"),
        ("tiers: [medium]}", "tiers: [mild]}", "must be `low`, `medium` or `high`"),
        ("capacity,", "bad_request,", "must be `capacity`"),
        ('"@cf/b/other", "@cf/b/long"', '"no model"', "must be a model id"),
        ("maybe_billed: counted", "maybe_billed: yes", "must be `refused` or `counted`"),
        ("input_tokens_below: 500", "input_tokens_below: 0", "must be between 1 and"),
        ("low_risk: {}", "low_risk: {switch: sometimes}", "must be `never`, `if_cheaper` or"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, problem: str) -> None:
    found, problems = section_of(SECTION.replace(old, new, 1))
    assert found is None
    assert [item for item in problems if problem in item.message], problems
    line = next(
        n for n, each in enumerate(SECTION.splitlines(), 1) if old.partition(":")[0] in each
    )
    assert abs(problems[0].mark.line - line) <= 1


def problems_of(text: str, **changes: object) -> list[tuple[str, str]]:
    around: dict[str, object] = {"tiers": list(RiskTier), "allowed": ALLOWED} | changes
    return [
        (".".join(map(str, item.path)), item.message)
        for item in routing_problems(routing_of(text), **around)  # type: ignore[arg-type]
    ]


def test_a_good_section_has_no_problem() -> None:
    assert problems_of(SECTION) == []


def test_another_model_after_a_bill_that_may_come_needs_the_word() -> None:
    text = SECTION.replace("      maybe_billed: counted\n", "")
    assert problems_of(text) == [
        (
            "fallbacks.1.after.0",
            (
                "`timeout_first_token` may have been billed: say `maybe_billed: counted` to ask"
                " another model all the same, with the failed attempt counted at its worst case"
            ),
        )
    ]


def test_a_class_in_two_rules_and_a_model_twice_are_problems() -> None:
    text = SECTION.replace("[context_too_long]", "[context_too_long, capacity]")
    text = text.replace('["@cf/b/other", "@cf/b/long"]', '["@cf/b/other", "@cf/b/other"]')
    assert problems_of(text) == [
        (
            "fallbacks.2.after.1",
            "`capacity` has a fallback already: policies/support.yaml:14",
        ),
        ("fallbacks.2.models.1", "`@cf/b/other` is named twice"),
    ]


def test_every_model_must_be_on_the_list_of_its_tier() -> None:
    only = {LOW: [SMALL], MEDIUM: [LARGE], HIGH: [LARGE]}
    assert problems_of(SECTION, allowed=only) == [
        (
            "downshift.budget_pressure.tiers.0",
            "`@cf/a/small` is not among the models allowed for tier `medium`",
        ),
        (
            "downshift.short_context.tiers.0",
            "`@cf/b/other` is not among the models allowed for tier `medium`",
        ),
        (
            "downshift.short_context.model",
            "`@cf/b/other` is not allowed for any tier of the workflow",
        ),
        ("fallbacks.0.models.1", "`@cf/b/other` is not allowed for any tier of the workflow"),
        ("fallbacks.1.models.0", "`@cf/b/other` is not allowed for any tier of the workflow"),
        ("fallbacks.2.models.0", "`@cf/b/other` is not allowed for any tier of the workflow"),
        ("fallbacks.2.models.1", "`@cf/b/long` is not allowed for any tier of the workflow"),
    ]


def test_tiers_and_models_go_together() -> None:
    assert problems_of(SECTION, tiers=[LOW, MEDIUM]) == [
        ("models.high", "the workflow has no tier `high`")
    ]
    text = SECTION.replace('    high: "@cf/a/large"\n', "")
    assert problems_of(text) == [("models", "names no model for tier `high`")]


def test_the_models_of_a_section_are_all_that_it_can_choose() -> None:
    assert models_named(routing_of()) == {SMALL, LARGE, OTHER, LONG}


def test_no_class_of_fallback_is_one_that_another_model_shares() -> None:
    """What is the caller's, the account's or a policy's doing would fail on any model."""
    for item in FallbackClass:
        traits = TRAITS[FailureClass(item.value)]
        assert traits.billed is not Billed.YES
        assert item.may_be_billed == (traits.billed is Billed.MAYBE)
    refused = {
        "bad_request",
        "spend_limit",
        "allowance_spent",
        "policy_denied",
        "auth",
        "guardrail",
    }
    assert not refused & {item.value for item in FallbackClass}


def test_every_rule_is_described_with_its_line_and_in_the_order_of_asking() -> None:
    routing = routing_of()
    found = list(described(routing))
    assert [path for path, _ in found] == [
        "models.low",
        "models.medium",
        "models.high",
        "downshift.budget_pressure",
        "downshift.low_risk",
        "downshift.short_context",
        "fallbacks.0",
        "fallbacks.1",
        "fallbacks.2",
    ]
    words = dict(found)
    assert words["downshift.budget_pressure"] == (
        "moves to @cf/a/small above 80% of the budget, tier medium"
    )
    assert words["fallbacks.1"] == (
        "after timeout_first_token: @cf/b/other; what may have been billed is counted"
    )
    assert len({routing.where(path) for path, _ in found}) == len(found)
