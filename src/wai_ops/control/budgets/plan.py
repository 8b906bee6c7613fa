"""A plan: what a push would do to one gateway, with everything that it takes for granted.

It can be saved, reviewed and applied later; the fingerprint of what was read says whether it still
holds. Pure but for the reading that it is given.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wai_ops.config.budget_settings import Enforcement
from wai_ops.control.budgets.diff import Change, Conflict, Difference, Op, diff, owned_here
from wai_ops.control.budgets.native import Compiled, Guard, Kind, LocalBudget, Ref, Remote, Unfit
from wai_ops.control.budgets.remote import fingerprint
from wai_ops.core.clock import parse_utc
from wai_ops.core.errors import UsageError

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a push would do."""

    made_at: datetime
    account_id: str
    gateway_id: str
    fingerprint: str
    """Of the gateway as it was read."""
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...] = ()
    unfit: tuple[Unfit, ...] = ()
    guards: tuple[Guard, ...] = ()
    """All that should be there, with reasons and gaps."""
    local: tuple[LocalBudget, ...] = ()
    turns_on_default_deny: bool = False
    """The gateway has no policy in force, and would have one that does not let everything pass."""
    missing: tuple[Ref, ...] = ()
    """Ours by the state file, wanted, and gone from the gateway: somebody removed them."""

    @property
    def is_empty(self) -> bool:
        """Whether the gateway is as it should be."""
        return not self.changes and not self.conflicts

    @property
    def sha256(self) -> str:
        """Of everything that a push goes by."""
        text = json.dumps(_bound(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def make_plan(
    compiled: Compiled,
    remote: Remote,
    owned: frozenset[Ref],
    *,
    account_id: str,
    now: datetime,
) -> Plan:
    """Compare what the budgets come to with what was read."""
    found: Difference = diff(compiled, remote, owned)
    here = owned_here(remote, owned)
    return Plan(
        made_at=now,
        account_id=account_id,
        gateway_id=remote.gateway_id,
        fingerprint=fingerprint(remote),
        changes=found.changes,
        conflicts=found.conflicts,
        unfit=compiled.unfit,
        guards=compiled.guards,
        local=compiled.local,
        turns_on_default_deny=_turns_on_default_deny(remote, found.changes),
        missing=tuple(sorted((owned & compiled.desired.keys()) - here, key=str)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """One change of a plan file."""

    op: Op
    object: tuple[Kind, str]
    """Its kind and its name."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    remote_id: str | None
    has_draft: bool
    budget: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictView:
    """What is in the way."""

    object: tuple[Kind, str]
    why: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitView:
    """A form that cannot hold a budget."""

    budget: str
    form: Enforcement
    why: str
    is_wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldView:
    """A form that holds a budget, and what passes it."""

    budget: str
    form: Enforcement
    object: tuple[Kind, str] | None
    """None: `wai` holds it itself."""
    why: str
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """A plan file: what a push goes by, and for people what it means."""

    format: int
    account_id: str
    gateway_id: str
    fingerprint: str
    turns_on_default_deny: bool
    changes: tuple[ChangeView, ...]
    conflicts: tuple[ConflictView, ...]
    made_at: datetime
    sha256: str
    """Of all that stands above: an edited plan is refused."""
    missing: tuple[tuple[Kind, str], ...]
    unfit: tuple[UnfitView, ...]
    held: tuple[HeldView, ...]


def document_of(plan: Plan) -> PlanDocument:
    """The plan as it is saved and printed as JSON."""
    native = [
        HeldView(
            budget=guard.budget,
            form=guard.form,
            object=(guard.ref.kind, guard.ref.name),
            why=guard.why,
            gaps=guard.gaps,
        )
        for guard in plan.guards
    ]
    own = [
        HeldView(
            budget=item.budget, form=Enforcement.LOCAL, object=None, why=item.why, gaps=item.gaps
        )
        for item in plan.local
    ]
    return PlanDocument(
        format=FORMAT,
        account_id=plan.account_id,
        gateway_id=plan.gateway_id,
        fingerprint=plan.fingerprint,
        turns_on_default_deny=plan.turns_on_default_deny,
        changes=tuple(
            ChangeView(
                op=change.op,
                object=(change.ref.kind, change.ref.name),
                before=None if change.before is None else dict(change.before),
                after=None if change.after is None else dict(change.after),
                remote_id=change.remote_id,
                has_draft=change.has_draft,
                budget=change.budget,
            )
            for change in plan.changes
        ),
        conflicts=tuple(
            ConflictView(object=(c.ref.kind, c.ref.name), why=c.why, hint=c.hint)
            for c in plan.conflicts
        ),
        made_at=plan.made_at,
        sha256=plan.sha256,
        missing=tuple((ref.kind, ref.name) for ref in plan.missing),
        unfit=tuple(
            UnfitView(budget=u.budget, form=u.form, why=u.why, is_wanted=u.is_wanted)
            for u in plan.unfit
        ),
        held=(*native, *own),
    )


def plan_from_json(data: Any, *, where: str) -> Plan:
    """Read a plan file. Raises UsageError when it is not one, or was edited."""
    try:
        plan = Plan(
            made_at=parse_utc(data["made_at"]),
            account_id=data["account_id"],
            gateway_id=data["gateway_id"],
            fingerprint=data["fingerprint"],
            changes=tuple(_change(item) for item in data["changes"]),
            conflicts=tuple(
                Conflict(ref=_ref(item["object"]), why=item["why"], hint=item["hint"])
                for item in data["conflicts"]
            ),
            turns_on_default_deny=data["turns_on_default_deny"],
        )
        is_same = data["format"] == FORMAT and plan.sha256 == data["sha256"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            "this is no plan of wai budget plan",
            where=where,
            hint="make one with: wai budget plan -o",
        ) from error
    if not is_same:
        raise UsageError(
            "this plan was changed after it was made, or made by another version of wai",
            where=where,
            hint="make a new one with: wai budget plan -o",
        )
    return plan


def _turns_on_default_deny(remote: Remote, changes: tuple[Change, ...]) -> bool:
    if any(policy.committed is not None for policy in remote.policies):
        return False
    made = [c.after for c in changes if c.ref.kind is Kind.POLICY and c.after is not None]
    return bool(made) and not any(_lets_all_pass(body) for body in made)


def _lets_all_pass(body: Mapping[str, Any]) -> bool:
    return (
        body.get("action") == {"type": "no-limit"}
        and body.get("condition") == "true"
        and body.get("resource") == "*"
    )


def _bound(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "account_id": plan.account_id,
        "gateway_id": plan.gateway_id,
        "fingerprint": plan.fingerprint,
        "turns_on_default_deny": plan.turns_on_default_deny,
        "changes": [
            {
                "op": change.op.value,
                "object": [change.ref.kind.value, change.ref.name],
                "before": change.before,
                "after": change.after,
                "remote_id": change.remote_id,
                "has_draft": change.has_draft,
                "budget": change.budget,
            }
            for change in plan.changes
        ],
        "conflicts": [
            {"object": [c.ref.kind.value, c.ref.name], "why": c.why, "hint": c.hint}
            for c in plan.conflicts
        ],
    }


def _change(item: Mapping[str, Any]) -> Change:
    return Change(
        op=Op(item["op"]),
        ref=_ref(item["object"]),
        before=item["before"],
        after=item["after"],
        remote_id=item["remote_id"],
        has_draft=item["has_draft"],
        budget=item["budget"],
    )


def _ref(value: Any) -> Ref:
    kind, name = value
    return Ref(Kind(kind), name)
