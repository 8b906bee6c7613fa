"""One closed list of failures, and what each answer of the provider is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.failures import (
    TRAITS,
    Billed,
    FailureClass,
    Fault,
    classify_response,
)

F = FailureClass
# Code, HTTP status, class: the provider's documented table of Workers AI errors.
WORKERS_AI = [
    (5007, 400, F.NOT_FOUND),
    (5004, 400, F.BAD_REQUEST),
    (3039, 400, F.BAD_REQUEST),
    (3003, 400, F.BAD_REQUEST),
    (5018, 403, F.PERMISSION),
    (5016, 403, F.PERMISSION),
    (3023, 403, F.PERMISSION),
    (3041, 403, F.PERMISSION),
    (5035, 403, F.PAYMENT_REQUIRED),
    (5019, 405, F.BAD_REQUEST),
    (5005, 405, F.BAD_REQUEST),
    (3042, 404, F.NOT_FOUND),
    (3006, 413, F.BAD_REQUEST),
    (3007, 408, F.TIMEOUT_TOTAL),
    (3008, 408, F.SERVER_ERROR),
    (3036, 429, F.ALLOWANCE_SPENT),
    (3040, 429, F.CAPACITY),
]
# Seen outside that table.
SEEN = [
    (4006, 429, F.ALLOWANCE_SPENT),
    (3046, 408, F.TIMEOUT_TOTAL),
    (5021, 400, F.CONTEXT_TOO_LONG),
    (8001, 400, F.BAD_REQUEST),
    (8006, 400, F.BAD_REQUEST),
    (5001, 500, F.SERVER_ERROR),
    (10000, 401, F.AUTH),
]
GATEWAY = [
    (2001, 400, F.NOT_FOUND),
    (2003, 429, F.RATE_LIMITED_GATEWAY),
    (2005, 502, F.SERVER_ERROR),
    (2008, 400, F.BAD_REQUEST),
    (2009, 401, F.AUTH),
    (2016, 424, F.GUARDRAIL),
    (2017, 422, F.GUARDRAIL),
    (2021, 402, F.PAYMENT_REQUIRED),
    (2029, 400, F.DLP),
    (2030, 424, F.DLP),
    (2040, 400, F.AUTH),
    (2041, 429, F.SPEND_LIMIT),
    (2045, 429, F.SPEND_LIMIT),
    (7001, 400, F.BAD_REQUEST),
    (7002, 404, F.NOT_FOUND),
    (7003, 404, F.NOT_FOUND),
    (7013, 503, F.SERVER_ERROR),
    (10000, 403, F.PERMISSION),
]
STATUSES = st.integers(200, 599)
CODES = st.none() | st.integers(0, 20_000)


@pytest.mark.parametrize(("code", "status", "expected"), [*WORKERS_AI, *SEEN, *GATEWAY])
def test_a_documented_code_is_its_class(code: int, status: int, expected: FailureClass) -> None:
    assert classify_response(status, code, "") is expected
    # Errors come under 200 as well, and with the platform's prefixes before their words.
    if code != 10000:
        assert classify_response(200, code, "AiError: AiError: something") is expected


def test_every_class_has_its_traits_and_no_other_has() -> None:
    assert set(TRAITS) == set(FailureClass)
    assert all(traits.meaning for traits in TRAITS.values())
    assert len({traits.meaning for traits in TRAITS.values()}) == len(TRAITS)


def test_exactly_the_classes_that_can_succeed_later_are_retried() -> None:
    assert {failure for failure, traits in TRAITS.items() if traits.retryable} == {
        F.CAPACITY,
        F.RATE_LIMITED_MODEL,
        F.RATE_LIMITED_GATEWAY,
        F.TIMEOUT_CONNECT,
        F.TIMEOUT_FIRST_TOKEN,
        F.SERVER_ERROR,
        F.NETWORK,
    }


def test_only_what_was_refused_before_work_is_free_for_sure() -> None:
    """An answer that broke off, timed out or was judged bad afterwards may have cost money."""
    begun = {
        F.TIMEOUT_FIRST_TOKEN,
        F.TIMEOUT_TOTAL,
        F.STREAM_TRUNCATED,
        F.STREAM_MALFORMED,
        F.SERVER_ERROR,
        F.NETWORK,
        F.CANCELLED,
        F.GUARDRAIL,
        F.DLP,
        F.UNKNOWN,
    }
    assert {failure for failure, traits in TRAITS.items() if traits.billed is Billed.MAYBE} == begun
    assert {failure for failure, traits in TRAITS.items() if traits.billed is Billed.YES} == {
        F.TOOL_ERROR,
        F.TOOL_LOOP,
        F.OUTPUT_TRUNCATED,
        F.INVALID_OUTPUT,
    }


def test_the_unknown_is_nobodys_fault_and_not_retried() -> None:
    traits = TRAITS[F.UNKNOWN]
    assert (traits.fault, traits.retryable) == (Fault.UNKNOWN, False)


@given(st.sampled_from(["", "error code: 1234", "slow down", "<html>busy</html>"]))
def test_a_bare_429_is_not_guessed(message: str) -> None:
    assert classify_response(429, None, message) is F.UNKNOWN
    assert classify_response(429, 19_999, message) is F.UNKNOWN


@pytest.mark.parametrize("message", ["Rate limit reached", "rate-limited", "Too Many Requests"])
def test_a_429_that_names_a_rate_limit_is_the_models(message: str) -> None:
    assert classify_response(429, None, message) is F.RATE_LIMITED_MODEL


WORDS = {
    "you have used up your daily free allocation of 10,000 neurons": F.ALLOWANCE_SPENT,
    "Spend limit exceeded for rule acme": F.SPEND_LIMIT,
    "Spending limit exceeded": F.SPEND_LIMIT,
    "Capacity temporarily exceeded, please try again.": F.CAPACITY,
    "This model has been deprecated on 2026-05-30": F.MODEL_RETIRED,
}


@given(STATUSES, CODES, st.sampled_from(sorted(WORDS)), st.sampled_from(["", "AiError: "]))
def test_clear_words_beat_code_and_status(
    status: int, code: int | None, words: str, prefix: str
) -> None:
    assert classify_response(status, code, prefix + words) is WORDS[words]
    assert classify_response(status, code, prefix + words.upper()) is WORDS[words]


@given(STATUSES, CODES, st.text())
def test_every_answer_has_a_class(status: int, code: int | None, message: str) -> None:
    assert classify_response(status, code, message) in TRAITS


def test_a_403_without_code_is_a_policy_and_with_one_a_permission() -> None:
    assert classify_response(403, None, "blocked") is F.POLICY_DENIED
    assert classify_response(403, 9999, "blocked") is F.PERMISSION


@given(st.integers(500, 599), st.text(st.characters(categories=["Nd", "P"]), max_size=10))
def test_a_server_error_is_one_whatever_it_says(status: int, message: str) -> None:
    assert classify_response(status, None, message) is F.SERVER_ERROR
