"""Whether to send again: a pure decision with three ceilings, and never a blind second bill."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from wai_ops.cloudflare.retry import Again, Failed, RetryPolicy, Stop, decide, parse_retry_after
from wai_ops.core.failures import TRAITS, FailureClass

NOW = datetime(2026, 10, 10, 12, tzinfo=UTC)
SECONDS = st.floats(0, 3600)
DOLLARS = st.decimals(0, 100, places=6)
POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10),
    max_elapsed_s=SECONDS,
    max_cost_usd=DOLLARS,
    base_delay_s=st.floats(0, 60),
    max_delay_s=st.floats(0, 600),
)
RETRYABLE = [failure for failure, traits in TRAITS.items() if traits.retryable]
FAILURES = st.builds(
    Failed,
    failure=st.one_of(st.sampled_from(FailureClass), st.sampled_from(RETRYABLE)),
    delivered=st.booleans(),
    attempt=st.integers(1, 12),
    elapsed_s=SECONDS,
    at_risk_usd=st.none() | st.just(Decimal(0)) | DOLLARS,
    next_cost_usd=st.none() | DOLLARS,
    retry_after_s=st.none() | SECONDS,
)
JITTER = st.floats(0, 1, exclude_max=True)


@given(POLICIES, FAILURES, JITTER)
def test_sending_again_keeps_within_every_ceiling(
    policy: RetryPolicy, failed: Failed, jitter: float
) -> None:
    decision = decide(policy, failed, jitter=jitter)
    if isinstance(decision, Stop):
        assert decision.reason
        return
    assert TRAITS[failed.failure].retryable
    assert not failed.delivered
    assert failed.attempt < policy.max_attempts
    assert failed.elapsed_s + decision.delay_s <= policy.max_elapsed_s
    assert failed.at_risk_usd is not None
    if failed.at_risk_usd > 0:
        assert failed.next_cost_usd is not None
        assert failed.at_risk_usd + failed.next_cost_usd <= policy.max_cost_usd
    assert decision.delay_s >= (failed.retry_after_s or 0)
    window = min(policy.max_delay_s, policy.base_delay_s * 2 ** (failed.attempt - 1))
    assert 0 <= decision.delay_s <= max(window, failed.retry_after_s or 0)


@given(POLICIES, st.sampled_from(RETRYABLE), st.integers(1, 12), JITTER, st.none() | DOLLARS)
def test_a_refusal_within_all_ceilings_is_sent_again(
    policy: RetryPolicy,
    failure: FailureClass,
    attempt: int,
    jitter: float,
    next_cost: Decimal | None,
) -> None:
    """What cost nothing is tried again even where nobody knows the model's price."""
    assume(attempt < policy.max_attempts)
    assume(policy.max_delay_s <= policy.max_elapsed_s)
    failed = Failed(
        failure=failure,
        delivered=False,
        attempt=attempt,
        elapsed_s=0,
        at_risk_usd=Decimal(0),
        next_cost_usd=next_cost,
    )
    assert isinstance(decide(policy, failed, jitter=jitter), Again)


def of(failure: FailureClass = FailureClass.CAPACITY, **changes: object) -> Failed:
    """A failure with everything in favour of another attempt, but for the changes."""
    values: dict[str, object] = {
        "failure": failure,
        "delivered": False,
        "attempt": 1,
        "elapsed_s": 0.0,
        "at_risk_usd": Decimal(0),
        "next_cost_usd": Decimal("0.001"),
        **changes,
    }
    return Failed(**values)  # type: ignore[arg-type]


POLICY = RetryPolicy(
    max_attempts=4,
    max_elapsed_s=60,
    max_cost_usd=Decimal("0.01"),
    base_delay_s=1,
    max_delay_s=3,
)


@pytest.mark.parametrize(("attempt", "window"), [(1, 1), (2, 2), (3, 3)])
def test_the_pause_is_spread_over_a_window_that_doubles_up_to_its_limit(
    attempt: int, window: float
) -> None:
    pauses = [decide(POLICY, of(attempt=attempt), jitter=step / 100) for step in range(100)]
    assert pauses == [Again(window * (step / 100)) for step in range(100)]


@pytest.mark.parametrize("failure", [f for f in FailureClass if not TRAITS[f].retryable])
def test_what_cannot_succeed_is_never_sent_again(failure: FailureClass) -> None:
    assert decide(POLICY, of(failure), jitter=0) == Stop("it cannot succeed if sent again")


@pytest.mark.parametrize("failure", RETRYABLE)
def test_once_a_byte_was_delivered_nothing_is_sent_again(failure: FailureClass) -> None:
    decision = decide(POLICY, of(failure, delivered=True), jitter=0)
    assert decision == Stop("part of the answer was already delivered")


def test_the_last_attempt_is_the_last() -> None:
    assert isinstance(decide(POLICY, of(attempt=3), jitter=0), Again)
    assert decide(POLICY, of(attempt=4), jitter=0) == Stop("4 attempts were made")


def test_what_may_have_been_billed_at_an_unknown_price_is_not_sent_again() -> None:
    failed = of(FailureClass.SERVER_ERROR, at_risk_usd=None, next_cost_usd=None)
    assert decide(POLICY, failed, jitter=0) == Stop(
        "it may have been billed, and its price is unknown"
    )


def test_the_money_ceiling_counts_past_attempts_and_the_next_one() -> None:
    fits = of(at_risk_usd=Decimal("0.005"), next_cost_usd=Decimal("0.005"))
    assert isinstance(decide(POLICY, fits, jitter=0), Again)
    passes = of(at_risk_usd=Decimal("0.005"), next_cost_usd=Decimal("0.0051"))
    assert decide(POLICY, passes, jitter=0) == Stop(
        "another attempt could pass the retry ceiling of $0.01"
    )


def test_a_retry_after_beyond_the_ceiling_stops_and_says_what_the_server_asked() -> None:
    assert decide(POLICY, of(retry_after_s=5.0), jitter=0.9) == Again(5.0)
    assert decide(POLICY, of(retry_after_s=61.0), jitter=0) == Stop(
        "the server asks to wait 61 s, past the ceiling of 60 s"
    )
    assert decide(POLICY, of(elapsed_s=60.0), jitter=0.5) == Stop("the ceiling of 60 s is reached")


@given(st.integers(0, 10**9))
def test_retry_after_in_seconds_is_read(seconds: int) -> None:
    assert parse_retry_after(f" {seconds} ", now=NOW) == seconds


@given(st.integers(-(10**7), 10**7))
def test_retry_after_as_a_date_is_the_time_until_then_and_never_negative(seconds: int) -> None:
    text = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(text, now=NOW) == max(0, seconds)


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"[0-9. ]{0,6}", fullmatch=True),
        st.from_regex(r"(Mon, )?\d{1,2} (Jan|Feb|x) \d{1,5} [\d:]{0,9} ?([+-]\d{1,6}|GMT|-0000)?"),
    )
)
@example("9" * 400)
@example("9" * 5000)
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 2026 00:00:00 +9999999999")
@example("²")
@example(".")
@example("-1")
@example("nan")
def test_any_other_retry_after_is_a_time_or_nothing(text: str) -> None:
    found = parse_retry_after(text, now=NOW)
    assert found is None or found >= 0
    if found is not None:
        decision = decide(POLICY, of(retry_after_s=found), jitter=0)
        assert isinstance(decision, Stop) or decision.delay_s == found


def test_no_header_no_wait() -> None:
    assert parse_retry_after(None, now=NOW) is None
    assert parse_retry_after("", now=NOW) is None
    assert parse_retry_after("soon", now=NOW) is None
