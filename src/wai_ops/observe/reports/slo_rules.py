"""What a service level objective says of numbers: budget, burn rate and verdict. Pure.

    allowed failures = (1 - target) x runs
    budget left      = 1 - failed / allowed
    burn rate        = (failed / runs of a window) / (1 - target)

A burn rate of 1 spends the budget exactly by the end of the SLO's period; at 6 a budget of 30 days
is gone in 5. Two windows must agree before it is called an alert, so that neither an old burst nor
a single failure is one:

    fast   the last 6 hours and the last hour both burn at 6 or more
    slow   the last 3 days and the last 6 hours both burn at 1 or more
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from wai_ops.config.settings import SloSettings, SloTargets

FAST_BURN = Decimal(6)
SLOW_BURN = Decimal(1)
_BURN_DIGITS = Decimal("0.01")
TARGET_NAMES = (
    "ttft_p95_ms",
    "duration_p95_ms",
    "completion_ratio",
    "cost_per_success_usd",
    "cost_per_resolved_usd",
)


class SloVerdict(StrEnum):
    """What a row holds of its targets. Without a target there is none."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """There is a target, and nothing to hold against it."""


def targets_of(settings: SloSettings, workflow: str | None) -> SloTargets:
    """The targets of one workflow: its own, and the general ones where it has none."""
    own = None if workflow is None else settings.workflows.get(workflow)
    values = {name: getattr(settings, name) for name in TARGET_NAMES}
    if own is not None:
        said = {name: getattr(own, name) for name in TARGET_NAMES}
        values |= {name: value for name, value in said.items() if value is not None}
    return SloTargets(**values)


def has_targets(settings: SloSettings) -> bool:
    """Say whether there is any target to judge by."""
    everyone: Sequence[SloSettings | SloTargets] = [settings, *settings.workflows.values()]
    names = [name for name in TARGET_NAMES if name != "cost_per_resolved_usd"]
    return any(getattr(item, name) is not None for item in everyone for name in names)


@dataclass(frozen=True, slots=True)
class Ended:
    """Runs that ended in some window, and how many of them failed."""

    run_count: int
    failed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The failures that a completion target allows. None where it cannot be said."""

    allowed_failures: Decimal | None = None
    remaining_failures: Decimal | None = None
    left_ratio: float | None = None


def budget_of(target: Decimal | None, ended: Ended) -> Budget:
    """The error budget of a window; none without a target. A target of 1 allows no failure."""
    if target is None:
        return Budget()
    allowed = (1 - target) * ended.run_count
    left = None if allowed == 0 else float(1 - ended.failed_count / allowed)
    return Budget(
        allowed_failures=allowed,
        remaining_failures=allowed - ended.failed_count,
        left_ratio=left,
    )


def burn_rate(target: Decimal | None, ended: Ended) -> Decimal | None:
    """How fast a window spends the budget, to two places; None without a target, runs or budget."""
    if target is None or target == 1 or ended.run_count == 0:
        return None
    exact = Decimal(ended.failed_count) / ended.run_count / (1 - target)
    return exact.quantize(_BURN_DIGITS)


def alert_of(burn: Mapping[str, Decimal | None]) -> str | None:
    """`fast`, `slow` or None, from the burn rates of 1h, 6h and 3d."""
    hour, hours, days = burn["1h"], burn["6h"], burn["3d"]
    if hour is not None and hours is not None and min(hour, hours) >= FAST_BURN:
        return "fast"
    if hours is not None and days is not None and min(hours, days) >= SLOW_BURN:
        return "slow"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a row measured, for the verdict."""

    ended: Ended
    ttft_p95_ms: float | None
    duration_p95_ms: float | None
    cost_per_success_usd: Decimal | None


def verdict_of(targets: SloTargets, measured: Measured, alert: str | None) -> SloVerdict | None:
    """One missed target fails a row; then what is unknown counts, then an alert."""
    answers = [answer for answer in _answers(targets, measured) if answer is not None]
    for worst in (SloVerdict.FAIL, SloVerdict.UNKNOWN):
        if worst in answers:
            return worst
    if not answers:
        return None
    return SloVerdict.WARN if alert else SloVerdict.PASS


def _answers(targets: SloTargets, measured: Measured) -> list[SloVerdict | None]:
    ended = measured.ended
    succeeded = Decimal(ended.run_count - ended.failed_count)
    completion = None if ended.run_count == 0 else succeeded / ended.run_count
    return [
        _at_most(targets.ttft_p95_ms, measured.ttft_p95_ms),
        _at_most(targets.duration_p95_ms, measured.duration_p95_ms),
        # Multiplied, not divided: exact at the target itself.
        None
        if targets.completion_ratio is None
        else SloVerdict.UNKNOWN
        if completion is None
        else _verdict(succeeded >= targets.completion_ratio * ended.run_count),
        _at_most(targets.cost_per_success_usd, measured.cost_per_success_usd),
    ]


def _at_most(target: float | Decimal | None, value: float | Decimal | None) -> SloVerdict | None:
    if target is None:
        return None
    return SloVerdict.UNKNOWN if value is None else _verdict(value <= target)


def _verdict(is_met: bool) -> SloVerdict:
    return SloVerdict.PASS if is_met else SloVerdict.FAIL
