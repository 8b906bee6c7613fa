"""What is wrong with a section `routing` beyond its types, and which models it names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.routing.model import MaybeBilled, Routing


@dataclass(frozen=True, slots=True)
class RoutingProblem:
    """One mistake: the path inside the section (`models.low`, `fallbacks.0.after.1`), and words."""

    path: tuple[str | int, ...]
    message: str


def routing_problems(
    routing: Routing,
    *,
    tiers: Sequence[RiskTier],
    allowed: Mapping[RiskTier, Sequence[str]],
) -> Iterator[RoutingProblem]:
    """Every mistake. `tiers` are those the workflow may have, `allowed` its models of each."""
    for tier in tiers:
        if tier not in routing.models:
            yield RoutingProblem(("models",), f"names no model for tier `{tier.value}`")
    for tier, model in routing.models.items():
        if tier not in tiers:
            message = f"the workflow has no tier `{tier.value}`"
            yield RoutingProblem(("models", tier.value), message)
        elif model not in allowed.get(tier, ()):
            message = f"`{model}` is not among the models allowed for tier `{tier.value}`"
            yield RoutingProblem(("models", tier.value), message)
    yield from _downshift_problems(routing, tiers, allowed)
    yield from _fallback_problems(routing, tiers, allowed)


def models_named(routing: Routing) -> frozenset[str]:
    """Every model that the section can choose."""
    shift = routing.downshift
    rules = (shift.budget_pressure, shift.low_risk, shift.short_context)
    moved = {rule.model for rule in rules if rule is not None and rule.model is not None}
    fallen = {model for fallback in routing.fallbacks for model in fallback.models}
    return frozenset({*routing.models.values(), *moved, *fallen})


def _downshift_problems(
    routing: Routing,
    tiers: Sequence[RiskTier],
    allowed: Mapping[RiskTier, Sequence[str]],
) -> Iterator[RoutingProblem]:
    shift = routing.downshift
    for name, rule in (
        ("budget_pressure", shift.budget_pressure),
        ("short_context", shift.short_context),
    ):
        if rule is None:
            continue
        path = ("downshift", name)
        for index, tier in enumerate(rule.tiers):
            if rule.model not in allowed.get(tier, ()):
                message = f"`{rule.model}` is not among the models allowed for tier `{tier.value}`"
                yield RoutingProblem((*path, "tiers", index), message)
        if not any(rule.model in allowed.get(tier, ()) for tier in tiers):
            message = f"`{rule.model}` is not allowed for any tier of the workflow"
            yield RoutingProblem((*path, "model"), message)
    low = shift.low_risk
    if low is None:
        return
    if RiskTier.LOW not in tiers:
        message = "the workflow has no tier `low`"
        yield RoutingProblem(("downshift", "low_risk"), message)
    elif low.model is not None and low.model not in allowed.get(RiskTier.LOW, ()):
        message = f"`{low.model}` is not among the models allowed for tier `low`"
        yield RoutingProblem(("downshift", "low_risk", "model"), message)


def _fallback_problems(
    routing: Routing,
    tiers: Sequence[RiskTier],
    allowed: Mapping[RiskTier, Sequence[str]],
) -> Iterator[RoutingProblem]:
    seen: dict[str, int] = {}
    for index, fallback in enumerate(routing.fallbacks):
        path = ("fallbacks", index)
        if not fallback.after:
            yield RoutingProblem((*path, "after"), "names no class of failure")
        if not fallback.models:
            yield RoutingProblem((*path, "models"), "names no model")
        for place, failed in enumerate(fallback.after):
            here = (*path, "after", place)
            if failed.value in seen:
                first = routing.where(f"fallbacks.{seen[failed.value]}")
                message = f"`{failed.value}` has a fallback already" + (first and f": {first}")
                yield RoutingProblem(here, message)
            seen.setdefault(failed.value, index)
            if failed.may_be_billed and fallback.maybe_billed is MaybeBilled.REFUSED:
                message = (
                    f"`{failed.value}` may have been billed: say `maybe_billed: counted` to ask"
                    " another model all the same, with the failed attempt counted at its worst case"
                )
                yield RoutingProblem(here, message)
        for place, model in enumerate(fallback.models):
            if not any(model in allowed.get(tier, ()) for tier in tiers):
                message = f"`{model}` is not allowed for any tier of the workflow"
                yield RoutingProblem((*path, "models", place), message)
            if model in fallback.models[:place]:
                yield RoutingProblem((*path, "models", place), f"`{model}` is named twice")
