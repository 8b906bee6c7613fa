"""What changes between two sets of policies: who may do more, who may do less."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wai_ops.config.codec import to_plain
from wai_ops.control.policy.compiled import RANKS, OutboundRule, ToolRule, WorkflowPolicy
from wai_ops.control.policy.listing import outbound_words, tool_words
from wai_ops.control.policy.model import Approval, Effect
from wai_ops.control.policy.registry import Registry
from wai_ops.control.policy.schema_diff import schema_changes
from wai_ops.core.table import Table, Verdict, col


class Kind(StrEnum):
    """Which way a change goes."""

    ALLOWED = "newly allowed"
    DENIED = "newly denied"
    LOOSER = "looser"
    TIGHTER = "tighter"
    CHANGED = "changed"
    """Neither, or not to be told from the rule alone."""

    @property
    def allows_more(self) -> bool:
        """Whether something is possible now that was not before."""
        return self in (Kind.ALLOWED, Kind.LOOSER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change of meaning."""

    workflow: str = col("Workflow")
    change: Kind = col("Change")
    what: str = col("What")
    before: str = col("Before")
    after: str = col("After")
    where: str = col("Where")


Change = tuple[Kind, str, str, str, str]
"""Kind, what, before, after, where."""
_ASKS = (Approval.NEVER, Approval.ABOVE_MEDIUM, Approval.ABOVE_LOW, Approval.ALWAYS)
_SETS = ("roles", "risk", "data", "changes")
_OUTBOUND_SETS = ("schemes", "ports", "methods", "paths", "tools")


def compare(before: Registry, after: Registry) -> list[ChangeRow]:
    """Every change of meaning, by workflow. Text, comments and order alone are none."""
    rows: list[ChangeRow] = []
    for name in sorted({*before.workflows, *after.workflows}):
        old, new = before.workflow(name), after.workflow(name)
        if old is None and new is not None:
            changes = iter(((Kind.ALLOWED, "workflow", "", "governed", new.where),))
        elif new is None and old is not None:
            changes = iter(((Kind.DENIED, "workflow", "governed", "", old.where),))
        else:
            assert old is not None
            assert new is not None
            changes = _workflow(old, new)
        rows += [
            ChangeRow(workflow=name, change=kind, what=what, before=one, after=two, where=where)
            for kind, what, one, two, where in changes
        ]
        one_sided = [rule for item in (old, new) if item is not None for rule in _rules(item)]
        if old is None or new is None:
            rows += [
                ChangeRow(
                    workflow=name,
                    change=Kind.ALLOWED if old is None else Kind.DENIED,
                    what=rule,
                    before=words if new is None else "",
                    after=words if old is None else "",
                    where=where,
                )
                for rule, words, where in one_sided
            ]
    return rows


def _rules(policy: WorkflowPolicy) -> Iterator[tuple[str, str, str]]:
    for tier, models in policy.models.items():
        place = policy.places[f"models.{tier.value}"]
        yield f"models.{tier.value}", ", ".join(models), place.where
    for tool in policy.tools:
        if tool.effect is Effect.ALLOW:
            yield f"tools.{tool.name}", tool_words(tool), tool.place.where
    for rule in policy.outbound:
        if rule.effect is Effect.ALLOW:
            yield f"outbound.{rule.host}", outbound_words(rule), rule.place.where


def _workflow(old: WorkflowPolicy, new: WorkflowPolicy) -> Iterator[Change]:
    if old.mode is not new.mode:
        kind = Kind.LOOSER if new.mode.value == "observe" else Kind.TIGHTER
        yield kind, "mode", old.mode.value, new.mode.value, new.where
    for key in _SETS:
        where = new.places[key].where
        yield from _set(key, frozenset(getattr(old, key)), frozenset(getattr(new, key)), where)
    if old.default_risk is not new.default_risk:
        where = new.places["risk"].where
        yield Kind.CHANGED, "default_risk", old.default_risk.value, new.default_risk.value, where
    for tier in sorted({*old.models, *new.models}, key=RANKS.__getitem__):
        key = f"models.{tier.value}"
        one, two = old.models.get(tier, ()), new.models.get(tier, ())
        yield from _set(key, frozenset(one), frozenset(two), new.places[key].where)
    where = new.places["deny_models"].where
    for kind, what, one_text, two_text, place in _set(
        "deny_models", old.deny_models, new.deny_models, where
    ):
        turned = Kind.TIGHTER if kind is Kind.ALLOWED else Kind.LOOSER
        yield turned, what, one_text, two_text, place
    yield from _approvers(old, new)
    yield from _tools(old, new)
    yield from _outbound(old, new)
    yield from _envelope(old, new)
    yield from _routing(old, new)


def _set(key: str, one: frozenset[Any], two: frozenset[Any], where: str) -> Iterator[Change]:
    for item in sorted(map(str, two - one)):
        yield Kind.ALLOWED, f"{key}: {item}", "", item, where
    for item in sorted(map(str, one - two)):
        yield Kind.DENIED, f"{key}: {item}", item, "", where


def _approvers(old: WorkflowPolicy, new: WorkflowPolicy) -> Iterator[Change]:
    one, two = old.approvers, new.approvers
    if one == two:
        return
    if not one or (two and two < one):
        kind = Kind.TIGHTER
    elif not two or one < two:
        kind = Kind.LOOSER
    else:
        kind = Kind.CHANGED
    yield kind, "approvers", _all(one) or "anybody", _all(two) or "anybody", new.where


def _tools(old: WorkflowPolicy, new: WorkflowPolicy) -> Iterator[Change]:
    yield from _paired(
        "tools",
        old.tools,
        new.tools,
        name_of=lambda rule: str(rule.name),
        words=tool_words,
        inner=_tool,
        is_covered=lambda is_old, name: any(
            map(_allows, (old if is_old else new).tool_rules(name))
        ),
    )


def _outbound(old: WorkflowPolicy, new: WorkflowPolicy) -> Iterator[Change]:
    yield from _paired(
        "outbound",
        old.outbound,
        new.outbound,
        name_of=lambda rule: str(rule.host),
        words=outbound_words,
        inner=_request,
        is_covered=lambda is_old, name: any(
            map(_allows, (old if is_old else new).outbound_rules(name))
        ),
    )


def _allows(rule: ToolRule | OutboundRule) -> bool:
    return rule.effect is Effect.ALLOW


def _paired(
    section: str,
    old: Sequence[Any],
    new: Sequence[Any],
    *,
    name_of: Callable[[Any], str],
    words: Callable[[Any], str],
    inner: Callable[[Any, Any], Iterator[Change]],
    is_covered: Callable[[bool, str], bool],
) -> Iterator[Change]:
    """Rules of one name and effect, held against each other in order; the rest is new or gone."""
    groups: dict[tuple[str, Effect], tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rules in enumerate((old, new)):
        for rule in rules:
            groups[name_of(rule), rule.effect][side].append(rule)
    for (name, effect), (olds, news) in sorted(groups.items()):
        path = f"{section}.{name}"
        for place in range(max(len(olds), len(news))):
            label = path if place == 0 else f"{path}#{place + 1}"
            one = olds[place] if place < len(olds) else None
            two = news[place] if place < len(news) else None
            if one is not None and two is not None:
                for kind, what, before, after, where in inner(one, two):
                    yield kind, f"{label}: {what}", before, after, where
            elif two is not None:
                kind = _of_new(effect, is_covered=is_covered(True, name))
                yield kind, label, "", words(two), two.place.where
            elif one is not None:
                kind = _of_gone(effect, is_covered=is_covered(False, name))
                yield kind, label, words(one), "", one.place.where


def _of_new(effect: Effect, *, is_covered: bool) -> Kind:
    if effect is Effect.DENY:
        return Kind.DENIED
    # Another rule allowed it before: this one may well be the tighter of both.
    return Kind.CHANGED if is_covered else Kind.ALLOWED


def _of_gone(effect: Effect, *, is_covered: bool) -> Kind:
    if effect is Effect.DENY:
        return Kind.LOOSER
    return Kind.CHANGED if is_covered else Kind.DENIED


def _tool(one: ToolRule, two: ToolRule) -> Iterator[Change]:
    where = two.place.where
    if one.rank != two.rank:
        kind = Kind.TIGHTER if two.rank > one.rank else Kind.LOOSER
        yield kind, "risk", one.risk.value, two.risk.value, where
    schemas = [None if rule.arguments is None else rule.arguments.schema for rule in (one, two)]
    is_denial = two.effect is Effect.DENY
    for looser, what, before, after in schema_changes(schemas[0], schemas[1]):
        kind = Kind.CHANGED
        if looser is not None:
            kind = Kind.LOOSER if looser is not is_denial else Kind.TIGHTER
        yield kind, what, before, after, where
    yield from _common(one, two)
    if one.raw_output is not two.raw_output:
        yield Kind.CHANGED, "raw_output", one.raw_output.value, two.raw_output.value, where


def _request(one: OutboundRule, two: OutboundRule) -> Iterator[Change]:
    where = two.place.where
    is_denial = two.effect is Effect.DENY
    for key in _OUTBOUND_SETS:
        before, after = getattr(one, key), getattr(two, key)
        before = before if before is None else frozenset(before)
        after = after if after is None else frozenset(after)
        if before == after:
            continue
        if after is None or (before is not None and before < after):
            kind = Kind.TIGHTER if is_denial else Kind.LOOSER
        elif before is None or after < before:
            kind = Kind.LOOSER if is_denial else Kind.TIGHTER
        else:
            kind = Kind.CHANGED
        yield kind, key, _all(before) if before else "any", _all(after) if after else "any", where
    if one.allow_private is not two.allow_private:
        kind = Kind.LOOSER if two.allow_private else Kind.TIGHTER
        texts = [str(rule.allow_private).lower() for rule in (one, two)]
        yield kind, "allow_private", texts[0], texts[1], where
    yield from _common(one, two)


def _common(one: ToolRule | OutboundRule, two: ToolRule | OutboundRule) -> Iterator[Change]:
    yield from _set("data", one.data, two.data, two.place.where)
    if one.approval is not two.approval:
        is_tighter = _ASKS.index(two.approval) > _ASKS.index(one.approval)
        kind = Kind.TIGHTER if is_tighter else Kind.LOOSER
        yield kind, "approval", one.approval.value, two.approval.value, two.place.where


def _envelope(old: WorkflowPolicy, new: WorkflowPolicy) -> Iterator[Change]:
    one = {} if old.envelope is None else _flat(old.envelope)
    two = {} if new.envelope is None else _flat(new.envelope)
    for key in sorted({*one, *two}):
        before, after = one.get(key), two.get(key)
        if before == after:
            continue
        if key == "cache_target":
            kind = Kind.CHANGED
        elif after is None or (before is not None and after > before):
            kind = Kind.LOOSER
        else:
            kind = Kind.TIGHTER
        place = new.places.get(f"envelope.{key}", new.places["workflow"])
        texts = ["no limit" if value is None else f"{value:f}" for value in (before, after)]
        yield kind, f"envelope.{key}", texts[0], texts[1], place.where


def _flat(envelope: Any) -> dict[str, Decimal]:
    values = {item.name: getattr(envelope, item.name) for item in fields(envelope)}
    return {key: Decimal(value) for key, value in values.items() if value is not None}


def _routing(old: WorkflowPolicy, new: WorkflowPolicy) -> Iterator[Change]:
    one = {} if old.routing is None else dict(_leaves(to_plain(old.routing.section)))
    two = {} if new.routing is None else dict(_leaves(to_plain(new.routing.section)))
    for key in sorted({*one, *two}):
        if one.get(key) != two.get(key):
            where = new.where if new.routing is None else new.routing.where(key)
            yield Kind.CHANGED, f"routing.{key}", one.get(key, ""), two.get(key, ""), where


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            yield from _leaves(item, f"{path}.{place}" if path else str(place))
    elif value is not None:
        yield path, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def version_notes(before: Registry, after: Registry) -> list[str]:
    """What happened to the versions of the files, above all where nothing happened."""
    old = {policy.name: policy for policy in before.policies}
    notes = []
    for policy in after.policies:
        was = old.pop(policy.name, None)
        if was is None:
            notes.append(f"policy {policy.name} is new: {policy.policy_version}")
        elif was.policy_sha256 == policy.policy_sha256:
            continue
        elif was.declared_version == policy.declared_version:
            notes.append(
                f"policy {policy.name} has changed, and its version is still "
                f"{policy.declared_version}: raise policy_version"
            )
        else:
            notes.append(f"policy {policy.name}: {was.policy_version} -> {policy.policy_version}")
    notes += [f"policy {name} is gone (it was {old[name].policy_version})" for name in sorted(old)]
    return notes


def changes_table(
    rows: Iterable[ChangeRow], notes: Iterable[str], *, fails: bool
) -> Table[ChangeRow]:
    """The changes; `fails`: more being allowed is a verdict of no."""
    found = list(rows)
    more = any(row.change.allows_more for row in found)
    notes = list(notes)
    if not found:
        notes.append("nothing has changed in what is allowed")
    return Table(
        row_type=ChangeRow,
        title="Changes of policies",
        rows=found,
        notes=tuple(notes),
        verdict=(Verdict.FAIL if more else Verdict.PASS) if fails else None,
    )


def _all(items: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, items)))
