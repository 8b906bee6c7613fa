"""What has to change on a gateway so that it holds the guards, and nothing else. Pure.

The promise: applying the difference to what was read gives the desired guards, and every object
that is not ours stays as it was. An object is ours when the state file knows it; one that merely
has a name of ours is in the way, and is never touched (`Conflict`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wai_ops.control.budgets.native import (
    MAX_SPEND_RULES,
    Compiled,
    Kind,
    Ref,
    Remote,
    RemotePolicy,
)
from wai_ops.control.budgets.normal import RATE_FIELDS, normal


class Op(StrEnum):
    """What is done to an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that is made, changed or removed."""

    op: Op
    ref: Ref
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    remote_id: str | None = None
    """The API's id of it, where it has one."""
    has_draft: bool = False
    """A draft of it is staged, left by a push that ended early."""
    budget: str = ""
    """Empty: it holds no budget, or none any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Why the gateway cannot be brought to where it should be without touching others' objects."""

    ref: Ref
    why: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that differs. It is applied only without conflicts."""

    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """One object of the gateway."""

    body: Mapping[str, Any] | None
    remote_id: str | None = None
    has_draft: bool = False


def diff(compiled: Compiled, remote: Remote, owned: frozenset[Ref]) -> Difference:
    """Compare what should be with what is. `owned`: what the state file says is ours."""
    desired = compiled.desired
    budgets = {guard.ref: guard.budget for guard in compiled.guards}
    changes: list[Change] = []
    conflicts: list[Conflict] = []
    actual = _objects(remote)
    for ref in sorted(desired.keys() | owned, key=_order):
        found = actual.get(ref, [])
        if found and ref not in owned:
            conflicts.append(_in_the_way(ref))
            continue
        changes += _changes(ref, found, desired.get(ref), budgets.get(ref, ""))
    conflicts += _conflicts(changes, remote, owned)
    return Difference(changes=tuple(changes), conflicts=tuple(conflicts))


def unfinished(changes: Iterable[Change], remote: Remote) -> tuple[Change, ...]:
    """The changes that a gateway does not show."""
    actual = _objects(remote)
    return tuple(change for change in changes if not _is_shown(change, actual.get(change.ref, [])))


def _is_shown(change: Change, found: list[_Found]) -> bool:
    if change.after is None:
        return all(item.remote_id != change.remote_id for item in found)
    after = normal(change.ref.kind, change.after)
    return any(
        item.body is not None and not item.has_draft and normal(change.ref.kind, item.body) == after
        for item in found
    )


def owned_here(remote: Remote, owned: frozenset[Ref]) -> frozenset[Ref]:
    """Those of our objects that are still on the gateway."""
    return owned & _objects(remote).keys()


def bodies_of(remote: Remote, refs: frozenset[Ref]) -> dict[Ref, Mapping[str, Any]]:
    """What is in force of these objects; one that is there twice counts once."""
    found = {}
    for ref, items in _objects(remote).items():
        body = next((item.body for item in items if item.body is not None), None)
        if ref in refs and body is not None:
            found[ref] = body
    return found


def named_like_ours(remote: Remote, prefix: str) -> frozenset[Ref]:
    """The objects whose names begin with our prefix, whoever made them."""
    return frozenset(ref for ref in _objects(remote) if ref.name.startswith(f"{prefix}-"))


def _objects(remote: Remote) -> dict[Ref, list[_Found]]:
    """Everything that a guard could be. A name may be there twice: only ids are the API's."""
    found: dict[Ref, list[_Found]] = {}
    for policy in remote.policies:
        found.setdefault(Ref(Kind.POLICY, policy.name), []).append(_policy(policy))
    for rule in remote.spend_rules:
        if isinstance(name := rule.get("id"), str):
            found.setdefault(Ref(Kind.SPEND_RULE, name), []).append(_Found(rule))
    for route in remote.routes:
        elements = None if route.elements is None else list(route.elements)
        body = {"name": route.name, "elements": elements}
        found.setdefault(Ref(Kind.ROUTE, route.name), []).append(_Found(body, route.id))
    rate = {name: remote.gateway.get(name) for name in RATE_FIELDS}
    if rate["rate_limiting_interval"] or rate["rate_limiting_limit"]:
        found[Ref(Kind.RATE_LIMIT, "gateway")] = [_Found(rate)]
    return found


def _policy(policy: RemotePolicy) -> _Found:
    return _Found(policy.committed, policy.id, has_draft=policy.draft is not None)


def _changes(
    ref: Ref, found: list[_Found], after: Mapping[str, Any] | None, budget: str
) -> Iterator[Change]:
    """At most one object of a name stays: a create whose answer was lost may have made another."""
    if not found:
        if after is not None:
            yield Change(op=Op.CREATE, ref=ref, before=None, after=after, budget=budget)
        return
    first, *more = found
    is_same = (
        after is not None
        and not first.has_draft
        and first.body is not None
        and normal(ref.kind, first.body) == normal(ref.kind, after)
    )
    if not is_same:
        yield Change(
            op=Op.DELETE if after is None else Op.UPDATE,
            ref=ref,
            before=first.body,
            after=after,
            remote_id=first.remote_id,
            has_draft=first.has_draft,
            budget=budget,
        )
    for item in more:
        yield Change(op=Op.DELETE, ref=ref, before=item.body, after=None, remote_id=item.remote_id)


def _conflicts(changes: list[Change], remote: Remote, owned: frozenset[Ref]) -> Iterator[Conflict]:
    spend = Ref(Kind.SPEND_RULE, "spend_limits")
    makes = [c for c in changes if c.ref.kind is Kind.SPEND_RULE and c.after is not None]
    limits = remote.gateway.get("spend_limits")
    is_on = isinstance(limits, Mapping) and limits.get("enabled") is True
    foreign = [
        rule
        for rule in remote.spend_rules
        if Ref(Kind.SPEND_RULE, str(rule.get("id"))) not in owned
    ]
    asleep = [rule for rule in foreign if rule.get("enabled", True) is not False]
    if makes and not is_on and asleep:
        yield Conflict(
            ref=spend,
            why=f"spend limits are switched off, and switching them on would put {len(asleep)} "
            "rule(s) of others into force",
            hint="switch those rules off one by one, or remove them",
        )
    made = sum(c.op is Op.CREATE for c in makes)
    gone = sum(c.op is Op.DELETE and c.ref.kind is Kind.SPEND_RULE for c in changes)
    total = len(remote.spend_rules) + made - gone
    if makes and total > MAX_SPEND_RULES:
        yield Conflict(
            ref=spend,
            why=f"there would be {total} spend rules; a gateway holds {MAX_SPEND_RULES}",
            hint="let a policy or wai itself hold some of the budgets: see enforce",
        )
    drafts = [
        policy
        for policy in remote.policies
        if policy.draft is not None and Ref(Kind.POLICY, policy.name) not in owned
    ]
    if drafts and any(c.ref.kind is Kind.POLICY and c.after is not None for c in changes):
        yield Conflict(
            ref=Ref(Kind.POLICY, drafts[0].name),
            why=f"{len(drafts)} draft(s) of others are staged, and a commit takes all drafts",
            hint="commit or delete them first",
        )


def _in_the_way(ref: Ref) -> Conflict:
    if ref.kind is Kind.RATE_LIMIT:
        return Conflict(
            ref=ref,
            why="the gateway has a rate limit that wai did not set",
            hint="take it over with: wai budget import --rate-limit",
        )
    return Conflict(
        ref=ref,
        why=f"a {ref.kind.value} of the name {ref.name} is there, and wai did not make it",
        hint="take it over with: wai budget import, or set another guards.prefix",
    )


def _order(ref: Ref) -> tuple[int, str]:
    return list(Kind).index(ref.kind), ref.name
