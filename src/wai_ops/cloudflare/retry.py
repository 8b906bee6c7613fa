"""When to send again. Decides, never sleeps: a pure function of numbers.

The rules: only classes that can succeed on a second try; never after a byte was delivered; a
ceiling in attempts *and* seconds *and* money, whichever comes first. An attempt that may have been
billed counts with its worst case against the money; where that is unknown, there is no retry.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from wai_ops.core.failures import TRAITS, FailureClass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The three ceilings, and the shape of the pauses. Seconds and dollars."""

    max_attempts: int
    max_elapsed_s: float
    max_cost_usd: Decimal
    base_delay_s: float
    max_delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What is known after a failed attempt."""

    failure: FailureClass
    delivered: bool
    """Some of the answer has already reached the user."""
    attempt: int
    """Counted from 1."""
    elapsed_s: float
    """Since the run began."""
    at_risk_usd: Decimal | None
    """Worst case of what all attempts so far may have cost; None: unknown, so unbounded."""
    next_cost_usd: Decimal | None
    """Worst case of one more attempt; None: unknown."""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Send again after a pause."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not send again; `reason` is for people."""

    reason: str


def decide(policy: RetryPolicy, failed: Failed, *, jitter: float) -> Again | Stop:
    """Decide on another attempt. `jitter` is a random number in [0, 1).

    The pause is full jitter: uniform in [0, min(max_delay, base x 2^(attempt - 1))), and never
    shorter than what `Retry-After` asked for.
    """
    if not TRAITS[failed.failure].retryable:
        return Stop("it cannot succeed if sent again")
    if failed.delivered:
        return Stop("part of the answer was already delivered")
    if failed.attempt >= policy.max_attempts:
        return Stop(f"{policy.max_attempts} attempts were made")
    if failed.at_risk_usd is None:
        return Stop("it may have been billed, and its price is unknown")
    # Money is at risk only once an attempt may have been billed; refused ones cost nothing.
    if failed.at_risk_usd > 0 and (
        failed.next_cost_usd is None
        or failed.at_risk_usd + failed.next_cost_usd > policy.max_cost_usd
    ):
        return Stop(f"another attempt could pass the retry ceiling of ${policy.max_cost_usd:f}")
    ceiling = min(policy.max_delay_s, policy.base_delay_s * 2 ** (failed.attempt - 1))
    delay_s = max(ceiling * jitter, failed.retry_after_s or 0.0)
    if failed.elapsed_s + delay_s > policy.max_elapsed_s:
        if failed.retry_after_s and failed.retry_after_s >= delay_s:
            return Stop(
                f"the server asks to wait {failed.retry_after_s:g} s, past the ceiling of "
                f"{policy.max_elapsed_s:g} s"
            )
        return Stop(f"the ceiling of {policy.max_elapsed_s:g} s is reached")
    return Again(delay_s)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read `Retry-After` in both its forms, seconds or an HTTP date; None when it is neither."""
    if value is None:
        return None
    text = value.strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return max(0.0, (at - now).total_seconds())
