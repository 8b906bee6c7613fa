"""Which model is asked after one has failed. Pure, like the choice before it.

Never after a part of the answer was delivered, never for a class that the section does not name,
never the same model twice in one turn. After an attempt that may have been billed only where the
rule says `maybe_billed: counted`: then the choice says so, and whoever keeps the money leaves the
attempt counted with its worst case.
"""

from dataclasses import dataclass, replace

from wai_ops.control.routing.choose import switch_words
from wai_ops.control.routing.facts import ModelFacts, PassedOver, RouteChoice, RouteFacts
from wai_ops.control.routing.fit import obstacle, switch_to, turn_cost
from wai_ops.control.routing.model import Fallback, FallbackClass, MaybeBilled, Routing
from wai_ops.core.failures import FailureClass


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFallback:
    """No other model is asked, and why."""

    reason: str
    passed_over: tuple[PassedOver, ...] = ()


def after(
    routing: Routing, choice: RouteChoice, failure: FailureClass, *, delivered: bool = False
) -> RouteChoice | None:
    """The next model after a failure of the chosen one; None: the failure stands."""
    found = next_after(routing, choice, failure, delivered=delivered)
    return found if isinstance(found, RouteChoice) else None


def next_after(
    routing: Routing, choice: RouteChoice, failure: FailureClass, *, delivered: bool = False
) -> RouteChoice | NoFallback:
    """The same, with the reason when there is none. `delivered`: a part of the answer was shown."""
    if delivered:
        return NoFallback(reason="part of the answer was already delivered")
    found = rule_for(routing, failure)
    if found is None:
        return NoFallback(reason=f"{routing.name} names no fallback after {failure.value}")
    path, fallback, failed = found
    if failed.may_be_billed and fallback.maybe_billed is MaybeBilled.REFUSED:
        return NoFallback(
            reason=f"{failure.value} may have been billed, and {routing.rule(path)} does not say"
            " maybe_billed: counted"
        )
    tried = (*choice.tried, choice.model)
    passed: list[PassedOver] = []
    for model in fallback.models:
        why = _obstacle(choice.facts, model, tried, failed)
        if why is None:
            fallen = _fallen(choice, model, failed)
            rule, where = routing.rule(path), routing.where(path)
            return replace(fallen, rule=rule, where=where, passed_over=tuple(passed))
        passed.append(
            PassedOver(model=model, rule=routing.rule(path), where=routing.where(path), reason=why)
        )
    each = "; ".join(f"{item.model}: {item.reason}" for item in passed)
    return NoFallback(reason=f"no fallback may serve: {each}", passed_over=tuple(passed))


def rule_for(routing: Routing, failure: FailureClass) -> tuple[str, Fallback, FallbackClass] | None:
    """The rule for a class of failure: its path, and itself; None: the section has none."""
    for index, fallback in enumerate(routing.fallbacks):
        for failed in fallback.after:
            if failed.value == failure.value:
                return f"fallbacks.{index}", fallback, failed
    return None


def _obstacle(
    facts: RouteFacts, model: str, tried: tuple[str, ...], failed: FallbackClass
) -> str | None:
    if model in tried:
        return "it was tried for this turn"
    why = obstacle(facts, model)
    if why is None and failed is FallbackClass.CONTEXT_TOO_LONG:
        # The estimate was wrong: only what is certainly longer is worth another attempt.
        window, before = _window(facts, model), _window(facts, tried[-1])
        if window is None or (before is not None and window <= before):
            return f"its context is not known to be longer than that of {tried[-1]}"
    return why


def _window(facts: RouteFacts, model: str) -> int | None:
    return facts.models.get(model, ModelFacts()).context_window


def _fallen(before: RouteChoice, model: str, failed: FallbackClass) -> RouteChoice:
    reason = f"{before.model} failed: {failed.value}"
    if failed.may_be_billed:
        reason += ", which may have been billed and stays counted"
    switch = switch_to(before.facts, model)
    return replace(
        before,
        model=model,
        reason=reason + switch_words(switch),
        expected_cost_usd=turn_cost(before.facts, model),
        switch=switch,
        tried=(*before.tried, before.model),
        is_maybe_billed=failed.may_be_billed,
    )
