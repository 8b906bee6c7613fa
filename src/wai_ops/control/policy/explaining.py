"""Why a policy says what it says: every rule that was looked at, and why it did or did not fit."""

from collections.abc import Iterator
from dataclasses import dataclass

from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget
from wai_ops.control.policy.asking import Asked
from wai_ops.control.policy.compiled import OutboundRule, ToolRule, WorkflowPolicy, fits_name
from wai_ops.control.policy.decide import (
    outbound_denied,
    outbound_misfit,
    tool_denied,
    tool_misfit,
)
from wai_ops.control.policy.model import Effect
from wai_ops.control.policy.paths import decoded
from wai_ops.control.policy.registry import Registry
from wai_ops.core.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One rule, and what came of it."""

    rule: str
    where: str
    fits: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A verdict with everything that led to it."""

    verdict: str
    permits: bool
    """Also true of every verdict in observe mode."""
    rule: str
    where: str
    source_line: str
    """The line of the file that `where` names."""
    reason: str
    is_missing: bool
    """No rule allowed it, rather than one that denies it."""
    kind: str
    workflow: str
    risk_tier: str
    role: str
    mode: str
    policy: str | None
    policy_version: str
    considered: tuple[Considered, ...]

    def to_text(self) -> str:
        """Lines for people."""
        mode = "" if self.mode == "enforce" else f" (mode {self.mode}: it goes on all the same)"
        lines = [f"{self.verdict}: {self.reason}{mode}", f"  rule    {self.rule}"]
        if self.where:
            lines.append(f"  at      {self.where}: {self.source_line}")
        lines.append(f"  policy  {self.policy or '(none)'} {self.policy_version}")
        lines.append(
            f"  action  {self.kind} of {self.workflow}, tier {self.risk_tier}, role {self.role}"
        )
        if self.considered:
            lines.append("considered:")
        for item in self.considered:
            sign = "+" if item.fits else "-"
            lines.append(f"  {sign} {item.rule} ({item.where}): {item.why}")
        return "".join(f"{one_line(line, 500) if line[0] != ' ' else line}\n" for line in lines)


def explain(registry: Registry, asked: Asked, source_line: str = "") -> Explanation:
    """Put together what was said about an action. `source_line`: the text of the rule's line."""
    action, verdict = asked.action, asked.verdict
    policy = registry.workflow(action.workflow)
    considered: tuple[Considered, ...] = ()
    if policy is not None and not asked.is_refused_url:
        considered = tuple(_considered(policy, action))
    return Explanation(
        verdict=verdict.word.value,
        permits=verdict.permits,
        rule=verdict.rule,
        where=verdict.where,
        source_line=one_line(source_line, 160),
        reason=verdict.reason,
        is_missing=verdict.is_missing,
        kind=action.kind.value,
        workflow=one_line(action.workflow, 128),
        risk_tier=action.risk_tier.value,
        role=action.role,
        mode=verdict.mode.value,
        policy=None if policy is None else policy.policy,
        policy_version=verdict.policy_version,
        considered=considered,
    )


def _considered(policy: WorkflowPolicy, action: Action) -> Iterator[Considered]:
    for section, value, allowed in (
        ("roles", action.role, policy.roles),
        ("risk", action.risk_tier.value, policy.risk),
    ):
        yield _listed(policy, section, value, allowed)
        if value not in allowed:
            return
    match action.kind:
        case ActionKind.MODEL_CALL:
            yield from _models(policy, action)
        case ActionKind.TOOL_CALL:
            yield from _tools(policy, action)
        case ActionKind.OUTBOUND_REQUEST:
            if action.target is not None:
                yield from _requests(policy, action, action.target)
        case ActionKind.OPERATOR_CHANGE:
            fits = any(fits_name(pattern, action.tool) for pattern in policy.changes)
            why = f"allows {_all(policy.changes)}"
            place = policy.places["changes"]
            yield Considered(rule=place.rule, where=place.where, fits=fits, why=why)


def _listed(
    policy: WorkflowPolicy, section: str, value: str, allowed: frozenset[str]
) -> Considered:
    place = policy.places[section]
    fits = value in allowed
    why = f"{'allows' if fits else 'does not allow'} {value} (it has {_all(sorted(allowed))})"
    return Considered(rule=place.rule, where=place.where, fits=fits, why=why)


def _models(policy: WorkflowPolicy, action: Action) -> Iterator[Considered]:
    if policy.deny_models:
        place = policy.places["deny_models"]
        fits = action.model in policy.deny_models
        why = "denies the model" if fits else "is about other models"
        yield Considered(rule=place.rule, where=place.where, fits=fits, why=why)
    for tier in sorted(policy.models, key=lambda tier: tier.value != action.risk_tier.value):
        place = policy.places[f"models.{tier.value}"]
        has = action.model in policy.models[tier]
        fits = has and tier is action.risk_tier
        why = "allows the model" if has else "does not have the model"
        if tier is not action.risk_tier:
            why = f"{why}, for another tier"
        yield Considered(rule=place.rule, where=place.where, fits=fits, why=why)
    if action.data_classes:
        place = policy.places["data"]
        fits = action.data_classes <= policy.data
        why = f"lets {_all(sorted(policy.data))} go to models"
        yield Considered(rule=place.rule, where=place.where, fits=fits, why=why)


def _tools(policy: WorkflowPolicy, action: Action) -> Iterator[Considered]:
    asked = policy.tool_rules(action.tool)
    for rule in policy.tools:
        if not fits_name(rule.name, action.tool):
            fits, why = False, f"is about {rule.name}"
        elif rule not in asked:
            fits, why = False, "is hidden by rules for a more exact name"
        elif rule.effect is Effect.DENY:
            fits = tool_denied(rule, action)
            why = "denies it" if fits else "denies other arguments"
        else:
            misfit = tool_misfit(rule, action)
            fits, why = misfit is None, misfit or _permission(rule)
        yield Considered(rule=rule.place.rule, where=rule.place.where, fits=fits, why=why)


def _requests(
    policy: WorkflowPolicy, action: Action, target: OutboundTarget
) -> Iterator[Considered]:
    asked = policy.outbound_rules(target.host)
    path = decoded(target.path)
    for rule in policy.outbound:
        if rule.host not in (target.host, f"*.{target.host.partition('.')[2]}"):
            fits, why = False, f"is about {rule.host}"
        elif rule not in asked:
            fits, why = False, "is hidden by rules for the exact host"
        elif rule.effect is Effect.DENY:
            fits = outbound_denied(rule, action, target, path)
            why = "denies it" if fits else "denies other requests"
        else:
            misfit = outbound_misfit(rule, action, target, path)
            fits, why = misfit is None, misfit or _permission(rule)
        yield Considered(rule=rule.place.rule, where=rule.place.where, fits=fits, why=why)


def _permission(rule: ToolRule | OutboundRule) -> str:
    words = {"never": "allows it", "always": "allows it with an approval"}
    return words.get(rule.approval.value, f"allows it, with an approval {rule.approval.value}")


def _all(items: "list[str] | tuple[str, ...]") -> str:
    return ", ".join(items) or "nothing"
