"""WG002: rules that can never decide anything."""

from collections.abc import Iterator, Sequence

from wai_ops.control.policy.compiled import (
    RANKS,
    OutboundRule,
    ToolRule,
    WorkflowPolicy,
    fits_name,
)
from wai_ops.control.policy.lint.look import Look, found
from wai_ops.control.policy.model import Effect
from wai_ops.control.policy.paths import is_below
from wai_ops.core.findings import Finding, Level, Rule

UNREACHABLE = Rule(
    id="WG002",
    name="unreachable-rule",
    level=Level.WARNING,
    why="A rule that never decides says something that does not hold: whoever reads it is wrong "
    "about what is allowed.",
    fix="Remove the rule, or the one that stands in front of it.",
)
RULES = (UNREACHABLE,)


def check_shadows(look: Look) -> Iterator[Finding]:
    """Find rules behind others that always decide first, and rules for what cannot happen."""
    for policy in look.workflows:
        yield from _tools(policy)
        yield from _outbound(policy)
        yield from _models(policy)


def _tools(policy: WorkflowPolicy) -> Iterator[Finding]:
    highest = max((RANKS[tier] for tier in policy.risk), default=-1)
    for place, rule in enumerate(policy.tools):
        if rule.effect is Effect.ALLOW and rule.rank > highest:
            text = f"{rule.place.rule} needs tier {rule.risk}, and the workflow has none so high"
            yield found(UNREACHABLE, rule.place, text)
        elif (other := _tool_shadow(policy.tools, place, rule)) is not None:
            text = f"{rule.place.rule} is never reached: {other.place.rule} ({other.place.where}) "
            yield found(UNREACHABLE, rule.place, text + "decides before it")


def _tool_shadow(rules: Sequence[ToolRule], place: int, rule: ToolRule) -> ToolRule | None:
    for other_place, other in enumerate(rules):
        if other is rule:
            continue
        if other.effect is Effect.DENY:
            wider = _covers_name(other.name, rule.name)
            same = other.effect is rule.effect and other.name == rule.name
            if wider and other.arguments is None and not (same and other_place > place):
                return other
        elif rule.effect is Effect.ALLOW and other_place < place and other.name == rule.name:
            is_wider = other.rank <= rule.rank and other.data >= rule.data
            if is_wider and (other.arguments is None or _same_arguments(other, rule)):
                return other
    return None


def _same_arguments(one: ToolRule, other: ToolRule) -> bool:
    if one.arguments is None or other.arguments is None:
        return one.arguments is other.arguments
    return one.arguments.schema == other.arguments.schema


def _covers_name(wide: str, narrow: str) -> bool:
    """Whether every tool that fits one name fits another."""
    return fits_name(wide, narrow) or wide == narrow


def _outbound(policy: WorkflowPolicy) -> Iterator[Finding]:
    for place, rule in enumerate(policy.outbound):
        for other_place, other in enumerate(policy.outbound):
            if other is rule or not _host_covers(other.host, rule.host):
                continue
            if other.effect is Effect.DENY:
                is_twin = rule.effect is Effect.DENY and rule.host == other.host
                is_shadow = _request_covers(other, rule) and not (is_twin and other_place > place)
            else:
                first = other_place < place and other.host == rule.host
                is_shadow = first and rule.effect is Effect.ALLOW and _permits_all(other, rule)
            if is_shadow:
                text = f"{rule.place.rule} is never reached: {other.place.rule} "
                text += f"({other.place.where}) decides before it"
                yield found(UNREACHABLE, rule.place, text)
                break


def _host_covers(wide: str, narrow: str) -> bool:
    return wide == narrow or (wide.startswith("*.") and narrow.partition(".")[2] == wide[2:])


def _permits_all(wide: OutboundRule, narrow: OutboundRule) -> bool:
    fits = wide.schemes >= narrow.schemes and wide.data >= narrow.data
    return fits and _request_covers(wide, narrow)


def _request_covers(wide: OutboundRule, narrow: OutboundRule) -> bool:
    """Whether ports, methods, paths and tools of one rule hold those of another."""
    for one, other in ((wide.ports, narrow.ports), (wide.methods, narrow.methods)):
        if one is not None and (other is None or not one >= other):
            return False
    if wide.paths is not None:
        inner = narrow.paths or ("/",)
        if not all(any(is_below(path, prefix) for prefix in wide.paths) for path in inner):
            return False
    if wide.tools is None:
        return True
    return narrow.tools is not None and all(
        any(_covers_name(pattern, name) for pattern in wide.tools) for name in narrow.tools
    )


def _models(policy: WorkflowPolicy) -> Iterator[Finding]:
    for tier, models in policy.models.items():
        place = policy.places[f"models.{tier.value}"]
        if models and tier not in policy.risk:
            text = f"{place.rule} is for a tier that `risk` does not have"
            yield found(UNREACHABLE, place, text)
        for model in models:
            if model in policy.deny_models:
                text = f"{place.rule} allows {model}, which `deny_models` denies"
                yield found(UNREACHABLE, place, text)
