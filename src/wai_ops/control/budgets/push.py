"""Applying a plan, so that a kill at any request leaves what the next plan can finish.

The order: protections first, removals last. Names are written to the state file before their
objects are made. Policies go as drafts, are simulated, and are committed together. The gateway is
read again right before it is written, because the API takes it only as a whole. At the end
everything is read once more: done is what the gateway shows, not what was sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from wai_ops.cloudflare.guards_api import GuardsApi
from wai_ops.control.budgets.apply import gateway_body, touches_gateway
from wai_ops.control.budgets.diff import Change, Op, unfinished
from wai_ops.control.budgets.native import Kind, Remote
from wai_ops.control.budgets.normal import normal
from wai_ops.control.budgets.plan import Plan
from wai_ops.control.budgets.remote import fingerprint, read_policies, read_remote
from wai_ops.control.budgets.simulate import SimulationProblem, simulate_guard
from wai_ops.control.budgets.state_file import GatewayState, Push, StateFile
from wai_ops.core.clock import Clock, to_utc_text
from wai_ops.core.errors import DeniedError, RemoteError
from wai_ops.core.text import counted


class Moved(DeniedError):  # noqa: N818 - it says what happened
    """The gateway is not as it was when the plan was made."""


class Watcher(Protocol):
    """Is told what is done, step by step."""

    def step(self, text: str) -> None:
        """Take one line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did."""

    changes: tuple[Change, ...]
    remote: Remote
    """The gateway as it was read afterwards."""
    left: tuple[Change, ...]
    """What still differs: the API took it and does not show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What a push did, for `--json`."""

    gateway_id: str
    plan_sha256: str
    changed: tuple[tuple[Op, str], ...]
    left: tuple[tuple[Op, str], ...]
    """What the gateway does not show as it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What `wai budget import` did."""

    gateway_id: str
    taken_over: tuple[str, ...]
    is_dry_run: bool


def check_applicable(plan: Plan, remote: Remote, *, accepts_default_deny: bool) -> None:
    """Raise DeniedError (Moved among them) when the plan must not be applied to `remote`."""
    if plan.conflicts:
        first = plan.conflicts[0]
        raise DeniedError(f"{first.ref}: {first.why}", hint=first.hint)
    if fingerprint(remote) != plan.fingerprint:
        raise Moved(
            f"gateway {plan.gateway_id} has changed since the plan was made; nothing was sent",
            hint="look at what changed and plan again: wai budget plan",
        )
    if plan.turns_on_default_deny and not accepts_default_deny:
        raise DeniedError(
            "this would be the gateway's first policy: from then on it refuses (403) every call "
            "that no policy is about",
            hint="set guards.unmatched: allow, or say --accept-default-deny",
        )


def push(
    plan: Plan,
    api: GuardsApi,
    file: StateFile,
    *,
    decision_id: str,
    clock: Clock,
    watcher: Watcher,
    accepts_default_deny: bool = False,
) -> Pushed:
    """Apply a plan.

    Raises DeniedError with nothing sent; RemoteError or AccessError when a request fails: what was
    done until then stays, is known to the state file, and is gone on with by the next plan.
    """
    remote = read_remote(api, plan.gateway_id)
    check_applicable(plan, remote, accepts_default_deny=accepts_default_deny)
    if not plan.changes:
        return Pushed(changes=(), remote=remote, left=())
    state = _begin(plan, file, decision_id, to_utc_text(clock.now()))
    _push_policies([c for c in plan.changes if c.ref.kind is Kind.POLICY], api, watcher)
    _push_gateway(plan, remote, api, watcher)
    _push_routes([c for c in plan.changes if c.ref.kind is Kind.ROUTE], api, watcher)
    _remove_policies([c for c in plan.changes if c.ref.kind is Kind.POLICY], api, watcher)
    after = read_remote(api, plan.gateway_id)
    gone = frozenset(c.ref for c in plan.changes if c.op is Op.DELETE) - frozenset(
        c.ref for c in plan.changes if c.after is not None
    )
    left = unfinished(plan.changes, after)
    still = {change.ref for change in left}
    state = replace(state, owned=state.owned - (gone - still)).with_last_done()
    file.put(plan.account_id, plan.gateway_id, state)
    return Pushed(changes=plan.changes, remote=after, left=left)


def _begin(plan: Plan, file: StateFile, decision_id: str, at: str) -> GatewayState:
    """Write down what is about to be ours, and how what is ours was."""
    state = file.get(plan.account_id, plan.gateway_id)
    made = frozenset(c.ref for c in plan.changes if c.after is not None)
    this = Push(
        at=at,
        decision_id=decision_id,
        changed=tuple(change.ref for change in plan.changes),
        before=tuple((change.ref, change.before) for change in plan.changes),
    )
    state = replace(state, owned=state.owned | made).with_push(this)
    file.put(plan.account_id, plan.gateway_id, state)
    return state


def _push_policies(changes: Sequence[Change], api: GuardsApi, watcher: Watcher) -> None:
    """Drafts, their simulation, one commit. A draft that fails its simulation is taken back."""
    staged: list[tuple[str, Change]] = []
    for change in changes:
        if change.after is None:
            continue
        is_known = change.op is Op.UPDATE and change.remote_id is not None
        if is_known and change.before is not None:
            api.stage_change(change.remote_id or "", change.after)
            staged.append((change.remote_id or "", change))
        else:
            if is_known:
                # A draft that was never committed cannot be changed, only made anew.
                api.delete_policy(change.remote_id or "")
            staged.append((api.stage_policy(change.after), change))
        watcher.step(f"staged {change.ref}")
    if not staged:
        return
    for policy_id, change in staged:
        problem = simulate_guard(api, change.after or {})
        if problem is not None:
            _take_back(staged, api)
            raise _refused(change, problem, policy_id)
        watcher.step(f"simulated {change.ref}")
    _refuse_others(staged, api)
    result = api.commit_policies()
    if result.failures:
        raise RemoteError(
            f"{len(result.failures)} draft(s) were not committed: {result.failures[0]}",
            where="POST .../policies/commit",
            hint="see what is in force: wai budget plan",
        )
    watcher.step(f"committed {counted(len(staged), 'policy', 'policies')}")


def _refuse_others(staged: Sequence[tuple[str, Change]], api: GuardsApi) -> None:
    """A commit takes every draft: somebody else's may have come since the gateway was read."""
    ours = {policy_id for policy_id, _ in staged}
    if any(p.draft is not None and p.id not in ours for p in read_policies(api)):
        _take_back(staged, api)
        raise Moved(
            "somebody staged a draft during this push, and a commit takes all drafts; ours were "
            "taken back",
            hint="commit or delete that draft, then plan again: wai budget plan",
        )


def _take_back(staged: Sequence[tuple[str, Change]], api: GuardsApi) -> None:
    """Remove the drafts of new policies. Those of changes are staged again as they were."""
    for policy_id, change in staged:
        if change.before is None:
            api.delete_policy(policy_id)
        else:
            api.stage_change(policy_id, change.before)


def _refused(change: Change, problem: SimulationProblem, policy_id: str) -> RemoteError:
    return RemoteError(
        f"{change.ref}: the simulation says {problem.text}; its draft was taken back",
        where="POST .../policies/simulate",
        hint=f"look for another policy that decides this case (draft {policy_id})",
    )


def _remove_policies(changes: Sequence[Change], api: GuardsApi, watcher: Watcher) -> None:
    for change in changes:
        if change.op is Op.DELETE and change.remote_id is not None:
            api.delete_policy(change.remote_id)
            watcher.step(f"deleted {change.ref}")


def _push_gateway(plan: Plan, read: Remote, api: GuardsApi, watcher: Watcher) -> None:
    if not touches_gateway(plan.changes):
        return
    now = api.gateway()
    before = {k: v for k, v in read.gateway.items() if k != "modified_at"}
    if {k: v for k, v in now.items() if k != "modified_at"} != before:
        raise Moved(
            f"somebody changed gateway {plan.gateway_id} during this push; its settings were "
            "not written",
            hint="plan again, what was done already is known: wai budget plan",
        )
    shown = api.put_gateway(gateway_body(now, plan.changes))
    watcher.step(f"wrote the settings of gateway {plan.gateway_id}")
    for change in plan.changes:
        if change.ref.kind is Kind.SPEND_RULE and change.after is not None:
            _check_rule(shown, change)


def _check_rule(shown: object, change: Change) -> None:
    remote = Remote(gateway_id="", gateway=shown if isinstance(shown, dict) else {})
    found = [rule for rule in remote.spend_rules if rule.get("id") == change.ref.name]
    after = normal(Kind.SPEND_RULE, change.after or {})
    if not found or normal(Kind.SPEND_RULE, found[0]) != after:
        raise RemoteError(
            f"the API did not keep {change.ref} as it was sent",
            where="PUT /ai-gateway/gateways/{gateway}",
            hint="see what it made of it: wai budget plan",
        )


def _push_routes(changes: Sequence[Change], api: GuardsApi, watcher: Watcher) -> None:
    for change in changes:
        if change.after is not None and change.remote_id is not None:
            api.deploy_elements(change.remote_id, change.after["elements"])
            watcher.step(f"deployed {change.ref}")
        elif change.after is not None:
            api.create_route(change.ref.name, change.after["elements"])
            watcher.step(f"made {change.ref}")
    for change in changes:
        if change.op is Op.DELETE and change.remote_id is not None:
            api.delete_route(change.remote_id)
            watcher.step(f"deleted {change.ref}")
