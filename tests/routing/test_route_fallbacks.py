"""What is asked after a failure: never twice the same, never silently what may be billed twice."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.routing import LARGE, LONG, MODELS, OTHER, SECTION, facts_of, routing_of
from wai_ops.control.routing.choose import choose
from wai_ops.control.routing.facts import RouteChoice
from wai_ops.control.routing.fallback import NoFallback, after, next_after
from wai_ops.control.routing.fit import obstacle
from wai_ops.control.routing.model import FallbackClass
from wai_ops.core.failures import TRAITS, Billed, FailureClass

ROUTING = routing_of()
CHOICE = choose(ROUTING, facts_of("medium"))


def test_the_first_model_of_the_list_that_was_not_tried_is_asked() -> None:
    found = after(ROUTING, CHOICE, FailureClass.CAPACITY)
    assert found is not None
    assert (found.model, found.rule) == (OTHER, "support.routing.fallbacks.0")
    assert found.where == "policies/support.yaml:14"
    assert found.reason == "@cf/a/large failed: capacity"
    assert found.tried == (LARGE,)
    assert [item.reason for item in found.passed_over] == ["it was tried for this turn"]
    assert not found.is_maybe_billed
    record = found.to_record()
    assert (record["tried"], record["is_maybe_billed"]) == ([LARGE], False)


def test_a_failure_that_may_be_billed_is_said_to_stay_counted() -> None:
    found = after(ROUTING, CHOICE, FailureClass.TIMEOUT_FIRST_TOKEN)
    assert found is not None
    assert found.is_maybe_billed
    assert "which may have been billed and stays counted" in found.reason


def test_without_the_word_nothing_is_asked_after_what_may_be_billed() -> None:
    routing = routing_of(SECTION.replace("      maybe_billed: counted\n", ""))
    found = next_after(routing, CHOICE, FailureClass.TIMEOUT_FIRST_TOKEN)
    assert found == NoFallback(
        reason="timeout_first_token may have been billed, and support.routing.fallbacks.1 does not"
        " say maybe_billed: counted"
    )


def test_after_a_part_of_the_answer_was_shown_nothing_is_asked() -> None:
    found = next_after(ROUTING, CHOICE, FailureClass.CAPACITY, delivered=True)
    assert found == NoFallback(reason="part of the answer was already delivered")
    assert after(ROUTING, CHOICE, FailureClass.CAPACITY, delivered=True) is None


@pytest.mark.parametrize(
    "failure", [item for item in FailureClass if item.value not in set(FallbackClass)]
)
def test_no_other_class_has_a_fallback(failure: FailureClass) -> None:
    found = next_after(ROUTING, CHOICE, failure)
    assert found == NoFallback(reason=f"support.routing names no fallback after {failure.value}")


def test_a_context_that_was_too_long_needs_one_that_is_longer() -> None:
    """The estimate said that it fits, and it did not: the same length is no answer."""
    found = next_after(ROUTING, CHOICE, FailureClass.CONTEXT_TOO_LONG)
    assert isinstance(found, RouteChoice)
    assert found.model == LONG
    assert found.passed_over[0].reason == (
        "its context is not known to be longer than that of @cf/a/large"
    )


def test_a_conversation_that_falls_back_says_what_it_loses() -> None:
    facts = facts_of("medium", conversation_model=LARGE, cached_tokens=9_000)
    found = after(ROUTING, choose(ROUTING, facts), FailureClass.CAPACITY)
    assert found is not None
    assert found.switch is not None
    assert found.switch.lost_tokens == 9_000
    assert "it leaves @cf/a/large and loses 9,000 cached tokens" in found.reason


@given(
    st.lists(st.sampled_from(FailureClass), max_size=12),
    st.frozensets(st.sampled_from(sorted(MODELS))),
)
def test_a_chain_ends_and_asks_no_model_twice_and_none_that_may_not_serve(
    failures: list[FailureClass], allowed: frozenset[str]
) -> None:
    facts = facts_of("medium", allowed=allowed | {LARGE})
    at = choose(ROUTING, facts)
    asked = [at.model]
    for failure in failures:
        found = after(ROUTING, at, failure)
        if found is None:
            break
        assert obstacle(facts, found.model) is None
        assert found.is_maybe_billed == (TRAITS[failure].billed is Billed.MAYBE)
        assert found == after(ROUTING, replace(at), failure)
        asked.append(found.model)
        assert found.tried == tuple(asked[:-1])
        at = found
    assert len(asked) == len(set(asked)) <= len(MODELS)
