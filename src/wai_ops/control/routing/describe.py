"""The rules of a section `routing` in words, for lists of what a policy says."""

from collections.abc import Iterator

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.routing.model import Routing, SwitchWhen

_SWITCH = {
    SwitchWhen.NEVER: "; running conversations stay",
    SwitchWhen.IF_CHEAPER: "",
    SwitchWhen.ALWAYS: "; running conversations move at any price",
}


def described(routing: Routing) -> Iterator[tuple[str, str]]:
    """Path of a rule inside the section, and what it says; in the order in which they are asked."""
    for tier, model in routing.models.items():
        yield f"models.{tier.value}", f"routes to {model}"
    pressure, low = routing.downshift.budget_pressure, routing.downshift.low_risk
    short = routing.downshift.short_context
    if pressure is not None:
        share = f"{(pressure.budget_used_above * 100).normalize():f}%"
        text = f"moves to {pressure.model} above {share} of the budget{_tiers(pressure.tiers)}"
        yield "downshift.budget_pressure", text + _SWITCH[pressure.switch]
    if low is not None:
        model = low.model or routing.models.get(RiskTier.LOW) or "the model of tier low"
        text = f"moves low-risk turns of conversations of a higher tier to {model}"
        yield "downshift.low_risk", text + _SWITCH[low.switch]
    if short is not None:
        below = f"below {short.input_tokens_below:,} input tokens"
        text = f"moves to {short.model} {below}{_tiers(short.tiers)}"
        yield "downshift.short_context", text + _SWITCH[short.switch]
    for index, fallback in enumerate(routing.fallbacks):
        classes = ", ".join(item.value for item in fallback.after)
        billed = ""
        if any(item.may_be_billed for item in fallback.after):
            billed = f"; what may have been billed is {fallback.maybe_billed.value}"
        yield f"fallbacks.{index}", f"after {classes}: {', '.join(fallback.models)}{billed}"


def _tiers(tiers: tuple[RiskTier, ...]) -> str:
    return f", tier {' and '.join(tier.value for tier in tiers)}" if tiers else ""
