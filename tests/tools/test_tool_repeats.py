"""Loops of tool calls: the same call again, and the same few calls round and round."""

import pytest

from wai_ops.runtime.tools.repeats import Repeats


def through(calls: str, max_repeats: int = 3) -> int | None:
    """How many calls of a sequence (one letter a call) pass; None when all do."""
    repeats = Repeats()
    for count, letter in enumerate(calls):
        call = (letter, "sha")
        if repeats.problem(call, max_repeats=max_repeats) is not None:
            return count
        repeats.add(call)
    return None


@pytest.mark.parametrize(
    ("calls", "passed"),
    [
        ("a", None),
        ("aa", None),
        ("aaa", 2),
        ("aba", None),
        ("abab", 3),
        ("abcabc", 5),
        ("abcdabcd", 7),
        ("abcdefab", None),
        ("abcdea", None),
        ("xabyab", None),
        ("xyabab", 5),
        ("abba", None),
        ("aabbaa", 4),
    ],
)
def test_the_call_that_closes_a_circle_does_not_pass(calls: str, passed: int | None) -> None:
    assert through(calls) == passed


def test_other_arguments_are_another_call() -> None:
    repeats = Repeats()
    for number in range(50):
        call = ("a", str(number))
        assert repeats.problem(call, max_repeats=3) is None
        repeats.add(call)


def test_a_tool_may_allow_more_repeats_and_fewer() -> None:
    assert through("aaaaa", max_repeats=5) == 4
    assert through("aa", max_repeats=2) == 1


def test_a_refused_call_is_no_step() -> None:
    repeats = Repeats()
    for letter in "aba":
        repeats.add((letter, "sha"))
    assert repeats.problem(("b", "sha"), max_repeats=3) is not None
    assert repeats.problem(("c", "sha"), max_repeats=3) is None
