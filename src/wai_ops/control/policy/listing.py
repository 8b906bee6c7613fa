"""`wai policy show`: what holds for a workflow, defaults and all, and where the file says so."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from wai_ops.control.policy.canonical import canonical
from wai_ops.control.policy.compiled import OutboundRule, ToolRule, WorkflowPolicy
from wai_ops.control.policy.model import Approval, Effect, RawOutput
from wai_ops.control.policy.registry import Registry
from wai_ops.control.routing.describe import described
from wai_ops.core.table import Table, col
from wai_ops.core.text import counted, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One thing that a policy says."""

    workflow: str = col("Workflow")
    rule: str = col("Rule")
    says: str = col("Says")
    where: str = col("Where")


def policy_table(registry: Registry, workflows: Iterable[WorkflowPolicy]) -> Table[PolicyRow]:
    """The effective policy of some workflows."""
    chosen = list(workflows)
    notes = [
        f"{policy.file}: policy {policy.name} {policy.policy_version}, mode {policy.mode.value}, "
        f"{counted(len(policy.workflows), 'workflow')}"
        for policy in registry.policies
        if any(item.policy == policy.name for item in chosen)
    ]
    notes.append("whatever no rule allows is denied")
    return Table(
        row_type=PolicyRow,
        title="Effective policy",
        rows=[
            PolicyRow(workflow=policy.name, rule=rule, says=says, where=where)
            for policy in chosen
            for rule, says, where in rule_lines(policy)
        ],
        notes=tuple(notes),
    )


def rule_lines(policy: WorkflowPolicy) -> Iterator[tuple[str, str, str]]:
    """Rule, what it says, `file:line`: in the order of the questions."""
    place = policy.places
    tiers = sorted(policy.risk, key=("low", "medium", "high").index)
    says = f"tiers {', '.join(tiers)}; {policy.default_risk.value} where none is given"
    yield place["roles"].rule, f"roles {_all(policy.roles)}", place["roles"].where
    yield place["risk"].rule, says, place["risk"].where
    for tier, models in policy.models.items():
        where = place[f"models.{tier.value}"]
        yield where.rule, f"allow {', '.join(models) or 'no model'}", where.where
    if policy.deny_models:
        yield (
            place["deny_models"].rule,
            f"deny {_all(policy.deny_models)}",
            (place["deny_models"].where),
        )
    yield place["data"].rule, f"{_all(policy.data)} may go to models", place["data"].where
    if policy.changes:
        yield place["changes"].rule, f"allow {', '.join(policy.changes)}", place["changes"].where
    for tool in policy.tools:
        yield tool.place.rule, tool_words(tool), tool.place.where
    for rule in policy.outbound:
        yield rule.place.rule, outbound_words(rule), rule.place.where
    if policy.approvers:
        yield f"{policy.name}.approvers", f"{_all(policy.approvers)} may approve", policy.where
    yield from _others(policy)


def _others(policy: WorkflowPolicy) -> Iterator[tuple[str, str, str]]:
    if policy.routing is not None:
        for path, words in described(policy.routing):
            yield policy.routing.rule(path), words, policy.routing.where(path)
    if policy.envelope is not None:
        for item in fields(policy.envelope):
            value = getattr(policy.envelope, item.name)
            if value is not None:
                found = policy.places.get(f"envelope.{item.name}", policy.places["workflow"])
                shown = format(value, "f") if isinstance(value, Decimal) else str(value)
                yield f"{policy.name}.envelope.{item.name}", shown, found.where


def tool_words(rule: ToolRule) -> str:
    """What a tool rule says, in a line."""
    if rule.effect is Effect.DENY:
        return "deny" + _arguments(rule)
    parts = [f"allow from tier {rule.risk.value}" + _arguments(rule)]
    if rule.data:
        parts.append(f"data {_all(rule.data)}")
    parts += _approval(rule.approval)
    if rule.raw_output is RawOutput.KEEP:
        parts.append("raw output kept")
    return "; ".join(parts)


def outbound_words(rule: OutboundRule) -> str:
    """What an outbound rule says, in a line."""
    methods = "any method" if rule.methods is None else _all(rule.methods)
    paths = "any path" if rule.paths is None else ", ".join(rule.paths)
    parts = [f"{rule.effect.value} {methods} {paths}"]
    if rule.effect is Effect.ALLOW:
        parts.append(f"{_all(rule.schemes)} port {_ports(rule)}")
    elif rule.ports is not None:
        parts.append(f"port {_ports(rule)}")
    if rule.tools is not None:
        parts.append(f"for {', '.join(rule.tools)}")
    if rule.data:
        parts.append(f"data {_all(rule.data)}")
    parts += _approval(rule.approval)
    if rule.allow_private:
        parts.append("private addresses of wai.yaml")
    return "; ".join(parts)


def _arguments(rule: ToolRule) -> str:
    if rule.arguments is None:
        return ""
    return f" with arguments {one_line(canonical(rule.arguments.schema), 200)}"


def _ports(rule: OutboundRule) -> str:
    return ", ".join(map(str, sorted(rule.ports or ())))


def _approval(approval: Approval) -> list[str]:
    return [] if approval is Approval.NEVER else [f"approval {approval.value}"]


def _all(items: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, items))) or "nothing"
