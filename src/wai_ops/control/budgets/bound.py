"""By how much each guard can be passed at most, and what that rests on. Pure.

A guard that counts costs afterwards lets a call begin while less than the limit is counted. At the
moment of the last call that it lets begin, less than the limit is counted, and what is not counted
yet are the calls under way and those that ended a moment ago, the last one among them. So a window
can cost less than

    limit + (calls that are not counted yet, at most) x (the most that one call can cost)

A rolling limit is kept by two windows of the clock, and a window of its own can hold all that both
of them let pass: the whole sum twice. Until a
change of guards holds, nothing counts at all: what begins in that time comes on top, once a push.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from wai_ops.config.budget_settings import (
    Alignment,
    BudgetSettings,
    Enforcement,
    LimitAction,
)
from wai_ops.control.budgets.bound_traffic import GuardTraffic
from wai_ops.control.budgets.forms import LATE_GAP
from wai_ops.control.budgets.native import Compiled, Guard, LocalBudget

POLICY_PROPAGATION_S = 900.0
"""The provider's own words: up to 15 minutes."""
IN_THE_BOUND = frozenset(
    {
        LATE_GAP,
        "a change holds after up to 15 minutes",
        "a sliding window weighs the one before it: it is no exact rolling sum",
        "its windows are fixed, from the clock",
    }
)
"""Gaps of the forms that a factor stands for."""
OTHER_PROPAGATION_S = 60.0
SETTLE_S = 60.0


class Source(StrEnum):
    """Where a factor comes from."""

    MEASURED = "measured"
    """In the calls of the ledger."""
    PRICES = "prices"
    """From the price list and the context windows of the models."""
    DOCUMENTED = "documented"
    """The provider says so."""
    ASSUMED = "assumed"
    GIVEN = "given"
    """By a flag."""
    DESIGN = "design"
    """Follows from how the guard works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One number of a bound."""

    name: str
    value: Decimal | None
    """None: not known, and so the bound is not."""
    unit: str
    source: Source
    assumption: str
    """What has to be true for it, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """By how much one guard can be passed, in each of its buckets."""

    guard: str
    budget: str
    form: Enforcement
    per: str
    """What has a limit of its own: `each tenant`; empty: one limit for all."""
    limit_usd: Decimal
    overshoot_usd: Decimal | None
    """In one window, once the guard holds. None: not known, or without bound."""
    after_push_usd: Decimal | None
    """What a push can cost on top, once, until it holds."""
    factors: tuple[Factor, ...]
    why_unknown: str
    """Empty where there is a bound."""
    not_covered: tuple[str, ...]
    """What passes the guard whatever the bound says."""

    @property
    def most_usd(self) -> Decimal | None:
        """The most that a window can cost."""
        return None if self.overshoot_usd is None else self.limit_usd + self.overshoot_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What flags say in place of what was measured or assumed. None: nothing."""

    concurrency: int | None = None
    rate_per_s: Decimal | None = None
    worst_request_usd: Decimal | None = None
    settle_s: Decimal | None = None
    propagation_s: Decimal | None = None


def settle_s(given: Given) -> float:
    """How late a cost is counted, in seconds."""
    return SETTLE_S if given.settle_s is None else float(given.settle_s)


def propagation_s(form: Enforcement, given: Given) -> float:
    """How late a change of a guard holds, in seconds."""
    if given.propagation_s is not None:
        return float(given.propagation_s)
    return POLICY_PROPAGATION_S if form is Enforcement.POLICY else OTHER_PROPAGATION_S


def bounds_of(
    compiled: Compiled,
    budgets: Mapping[str, BudgetSettings],
    traffic: Mapping[str, GuardTraffic],
    worst: Mapping[str, Decimal],
    given: Given,
) -> list[Bound]:
    """The bound of every guard that holds a budget, and of what `wai` holds itself.

    `traffic`: of a guard by its name (`str(guard.ref)`). `worst`: the most that one call can cost,
    by the same names; left out where a price or a context window is not known.
    """
    found = [
        _native(guard, budgets[guard.budget], traffic.get(str(guard.ref)), worst, given)
        for guard in compiled.guards
        if guard.budget in budgets
    ]
    return found + [_local(local, budgets[local.budget]) for local in compiled.local]


def _native(
    guard: Guard,
    budget: BudgetSettings,
    traffic: GuardTraffic | None,
    worst: Mapping[str, Decimal],
    given: Given,
) -> Bound:
    cost = _worst(str(guard.ref), traffic, worst, given)
    settle = _settle(given)
    uncounted = _uncounted(traffic, given)
    propagation = _propagation(guard.form, given)
    begun = _begun(traffic, given, propagation_s(guard.form, given))
    factors = [cost, uncounted, settle, propagation, begun]
    overshoot: Decimal | None = None
    if guard.form is Enforcement.RATE_LIMIT:
        uncounted = _design("calls not counted yet", 0, "it counts a call when it begins")
        factors = [cost, uncounted, propagation, begun]
    if cost.value is not None and uncounted.value is not None:
        overshoot = cost.value * uncounted.value
        if budget.alignment is Alignment.ROLLING:
            factors.append(_rolling())
            overshoot += overshoot + budget.limit_usd
    why = _why_unknown([cost, uncounted])
    if budget.action is LimitAction.DOWNSHIFT:
        overshoot, why = None, f"{budget.downshift_to} goes on without a limit"
    after = None if cost.value is None or begun.value is None else cost.value * begun.value
    return Bound(
        guard=str(guard.ref),
        budget=guard.budget,
        form=guard.form,
        per=_per(budget),
        limit_usd=budget.limit_usd,
        overshoot_usd=overshoot,
        after_push_usd=after,
        factors=tuple(factors),
        why_unknown="" if overshoot is not None else why,
        not_covered=tuple(gap for gap in guard.gaps if gap not in IN_THE_BOUND),
    )


def _local(local: LocalBudget, budget: BudgetSettings) -> Bound:
    factor = _design(
        "calls not reserved", 0, "the worst case of a call is set aside before it is sent"
    )
    return Bound(
        guard=f"local {local.budget}",
        budget=local.budget,
        form=Enforcement.LOCAL,
        per=_per(budget),
        limit_usd=budget.limit_usd,
        overshoot_usd=Decimal(0),
        after_push_usd=Decimal(0),
        factors=(factor,),
        why_unknown="",
        not_covered=local.gaps,
    )


def _worst(
    name: str, traffic: GuardTraffic | None, worst: Mapping[str, Decimal], given: Given
) -> Factor:
    if given.worst_request_usd is not None:
        return _factor(
            "dearest call", given.worst_request_usd, "USD", Source.GIVEN, "no call costs more"
        )
    possible = worst.get(name)
    seen = None if traffic is None else traffic.worst_usd
    if possible is None:
        return _factor(
            "dearest call",
            None,
            "USD",
            Source.PRICES,
            "the price or the context window of a model is not known: say --worst-request",
        )
    if seen is not None and seen > possible:
        text = "no call costs more than the dearest one that was recorded"
        return _factor("dearest call", seen, "USD", Source.MEASURED, text)
    text = "input fills the context window, nothing is cached, and no call asks for more output"
    return _factor("dearest call", possible, "USD", Source.PRICES, text)


def _uncounted(traffic: GuardTraffic | None, given: Given) -> Factor:
    name, unit = "calls not counted yet", "calls"
    if given.concurrency is None and given.rate_per_s is None:
        if traffic is None or not traffic.call_count:
            text = "no call of this guard was recorded: say --concurrency"
            return _factor(name, None, unit, Source.MEASURED, text)
        text = "never more at once, or ended within the settle delay, than were recorded"
        return _factor(name, Decimal(traffic.uncounted), unit, Source.MEASURED, text)
    at_once = given.concurrency
    if at_once is None:
        if traffic is None or not traffic.call_count:
            text = "no call of this guard was recorded: say --concurrency"
            return _factor(name, None, unit, Source.MEASURED, text)
        at_once = traffic.at_once
    rate, words = _rate(traffic, given, at_once)
    count = at_once + math.ceil(float(rate) * settle_s(given))
    return _factor(
        name, Decimal(count), unit, Source.GIVEN, f"at most {at_once} at once, and {words}"
    )


def _begun(traffic: GuardTraffic | None, given: Given, seconds: float) -> Factor:
    name, unit = "calls until a push holds", "calls"
    if given.rate_per_s is None and given.concurrency is None:
        if traffic is None or not traffic.call_count:
            text = "no call of this guard was recorded: say --rate"
            return _factor(name, None, unit, Source.MEASURED, text)
        text = "never more in so long a time than were recorded"
        return _factor(name, Decimal(traffic.begun), unit, Source.MEASURED, text)
    at_once = given.concurrency or (traffic.at_once if traffic else 0) or 1
    rate, words = _rate(traffic, given, at_once)
    count = at_once + math.ceil(float(rate) * seconds)
    return _factor(name, Decimal(count), unit, Source.GIVEN, words)


def _rate(traffic: GuardTraffic | None, given: Given, at_once: int) -> tuple[Decimal, str]:
    """Calls in a second, and the assumption."""
    if given.rate_per_s is not None:
        return given.rate_per_s, f"at most {given.rate_per_s:f} begin in a second"
    if traffic is not None and traffic.call_count:
        rate = traffic.rate_per_s
        return rate, f"at most {rate:f} begin in a second, as recorded"
    return Decimal(at_once), "each takes a second at least (assumed: say --rate)"


def _settle(given: Given) -> Factor:
    if given.settle_s is not None:
        return _factor(
            "settle delay", given.settle_s, "s", Source.GIVEN, "a cost is counted by then"
        )
    text = "a cost is counted a minute after the end of its call; the provider names no figure"
    return _factor("settle delay", Decimal(int(SETTLE_S)), "s", Source.ASSUMED, text)


def _propagation(form: Enforcement, given: Given) -> Factor:
    name = "propagation"
    if given.propagation_s is not None:
        return _factor(name, given.propagation_s, "s", Source.GIVEN, "a change holds by then")
    if form is Enforcement.POLICY:
        text = "a change of a policy holds after up to 15 minutes"
        return _factor(name, Decimal(900), "s", Source.DOCUMENTED, text)
    text = "a change holds within a minute; the provider names no figure"
    return _factor(name, Decimal(60), "s", Source.ASSUMED, text)


def _rolling() -> Factor:
    text = "a rolling limit is kept by two windows of the clock: both can fall into one of yours"
    return _factor("windows in one", Decimal(2), "windows", Source.DESIGN, text)


def _design(name: str, value: int, text: str) -> Factor:
    return _factor(name, Decimal(value), "calls", Source.DESIGN, text)


def _factor(name: str, value: Decimal | None, unit: str, source: Source, assumption: str) -> Factor:
    return Factor(name=name, value=value, unit=unit, source=source, assumption=assumption)


def _why_unknown(factors: Sequence[Factor]) -> str:
    return "; ".join(factor.assumption for factor in factors if factor.value is None)


def _per(budget: BudgetSettings) -> str:
    return " and ".join(f"each {key.value}" for key in budget.per)
