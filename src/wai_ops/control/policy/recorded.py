"""Recorded actions as a candidate policy can be asked about them, and why some cannot.

The decision log keeps the parts of an action; of arguments it may have a digest only, or a masked
copy. The ledger keeps model requests, without their risk tier.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.control.decisions.actions import to_money
from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.record import RecordType, canonical_sha256
from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, RiskTier
from wai_ops.control.policy.compiled import DEFAULT, WorkflowPolicy
from wai_ops.control.policy.registry import Registry
from wai_ops.core.clock import parse_utc
from wai_ops.core.window import Window
from wai_ops.observe.reports.policy_decisions import LedgerDecision
from wai_ops.observe.reports.route_requests import RouteRequest

SENT = "allow"
"""What is held against a request that no decision was recorded of: it went out."""
_SECTIONS = ("roles", "risk", "models", "deny_models", "data", "tools", "outbound", "changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One action that was decided upon or sent."""

    id: str
    """Of the decision, or of the run."""
    workflow: str
    kind: str
    what: str
    """The model, tool, host or change."""
    said: str
    """The verdict that was recorded."""
    action: Action | None
    problem: str = ""
    """Why it cannot be judged; empty when it can."""
    has_arguments: bool = True
    """Whether the arguments are known as they were."""
    is_tier_assumed: bool = False
    cost_usd: Decimal | None = None
    """None: not known. Of what was never sent: zero."""
    run_id: str | None = None


def judgeable(record: Recorded, candidate: Registry) -> str:
    """Why a candidate cannot be asked about an action; empty when it can."""
    if record.problem or record.action is None:
        return record.problem
    policy = candidate.workflow(record.workflow)
    is_tool = record.action.kind is ActionKind.TOOL_CALL
    if is_tool and policy is not None and not record.has_arguments:
        return _arguments_problem(policy, record.action)
    return ""


def _arguments_problem(policy: WorkflowPolicy, action: Action) -> str:
    rules = policy.tool_rules(action.tool)
    if all(rule.arguments is None for rule in rules):
        return ""
    return "its arguments were not kept as they were, and the candidate has rules on them"


def from_log(folder: Path, window: Window) -> Iterator[Recorded]:
    """The decisions of a period, each once what came of it is known. Raises DataError.

    In memory are the actions that are under way. Lines that are no records are passed over:
    `wai audit verify` tells of them.
    """
    path = folder / FILE_NAME
    pending: dict[str, Recorded] = {}
    for line in read_lines(path, measure(path).whole_bytes):
        try:
            data = json.loads(line)
            kind = data["type"]
            if kind == RecordType.DECISION and _is_within(window, parse_utc(data["at"])):
                record = of_decision(data)
                if data["verdict"] == "allow" or data["mode"] == "observe":
                    pending[record.id] = record
                else:
                    yield _with_cost(record, Decimal(0))
            elif kind == RecordType.ACTION_END:
                ended = pending.pop(data["decision_id"], None)
                if ended is not None:
                    yield _with_cost(ended, to_money(data.get("cost_usd")))
        except (ValueError, KeyError, TypeError):
            continue
    yield from pending.values()


def _is_within(window: Window, at: datetime) -> bool:
    after = window.since is None or at >= window.since
    return after and (window.until is None or at < window.until)


def _with_cost(record: Recorded, cost_usd: Decimal | None) -> Recorded:
    if record.kind != ActionKind.MODEL_CALL.value and cost_usd is None:
        cost_usd = Decimal(0)  # only models are billed here
    return replace(record, cost_usd=cost_usd)


def of_decision(data: Mapping[str, Any]) -> Recorded:
    """Make an action of a decision record. Raises KeyError, ValueError, TypeError."""
    target = data.get("target")
    kind = ActionKind(data["kind"])
    arguments = data.get("arguments")
    digest = data.get("arguments_sha256")
    has_arguments = isinstance(arguments, dict) and canonical_sha256(arguments) == digest
    has_arguments = has_arguments or (digest is None and arguments is None)
    problem = ""
    if not _is_of_registry(data["rule"], data["workflow"]):
        problem = "it was refused by a limit, a budget or its URL, which are not replayed"
    elif kind is ActionKind.OUTBOUND_REQUEST and target is None:
        problem = "its URL was not kept"
    elif kind is ActionKind.OPERATOR_CHANGE and data.get("tool") is None:
        problem = "the name of the change was not kept"
    action = Action(
        kind=kind,
        tenant=data["tenant"],
        workflow=data["workflow"],
        role=data["role"],
        risk_tier=RiskTier(data["risk_tier"]),
        model=data.get("model"),
        tool=data.get("tool"),
        arguments=(arguments or {}) if kind is ActionKind.TOOL_CALL else arguments,
        data_classes=frozenset(data.get("data_classes") or ()),
        target=None if target is None else OutboundTarget(**target),
        approved_by=data.get("approved_by"),
    )
    what = data.get("model") if kind is ActionKind.MODEL_CALL else data.get("tool")
    return Recorded(
        id=data["decision_id"],
        workflow=data["workflow"],
        kind=kind.value,
        what=str((target or {}).get("host") or what or ""),
        said=data["verdict"],
        action=action,
        problem=problem,
        has_arguments=has_arguments,
        run_id=data.get("run_id"),
    )


def _is_of_registry(rule: str, workflow: str) -> bool:
    """Whether a recorded rule is one of a policy's sections, which a candidate has as well."""
    if rule == DEFAULT or rule.startswith(f"{DEFAULT}:"):
        return True
    section = rule.removeprefix(f"{workflow}.").partition(".")[0]
    return rule.startswith(f"{workflow}.") and section in _SECTIONS


def of_request(request: RouteRequest, candidate: Registry) -> Recorded:
    """Make a model call of a request in the ledger. Its tier is taken to be the workflow's own."""
    problem = ""
    model = request.first_model
    if request.workflow is None:
        problem = "the request names no workflow"
    elif model is None:
        problem = "the request names no model"
    policy = candidate.workflow(request.workflow or "")
    action = Action(
        kind=ActionKind.MODEL_CALL,
        tenant=request.tenant or "",
        workflow=request.workflow or "",
        risk_tier=RiskTier.LOW if policy is None else policy.default_risk,
        model=model,
    )
    return Recorded(
        id=request.run_id or "",
        workflow=request.workflow or "",
        kind=ActionKind.MODEL_CALL.value,
        what=model or "",
        said=SENT,
        action=action,
        problem=problem,
        is_tier_assumed=True,
        cost_usd=request.cost_usd,
        run_id=request.run_id,
    )


def from_ledger(decisions: Iterable[LedgerDecision], known: Collection[str]) -> Iterator[Recorded]:
    """Decisions that are in no log here. Permitted model calls are left to their requests."""
    for item in decisions:
        kind, _, what = item.action.partition(" ")
        is_request = kind == ActionKind.MODEL_CALL.value and item.verdict == SENT
        if item.decision_id in known or is_request:
            continue
        yield Recorded(
            id=item.decision_id,
            workflow=item.workflow or "",
            kind=kind,
            what=what,
            said=item.verdict,
            action=None,
            problem="only the ledger has the decision: the parts of the action are not in it",
            cost_usd=Decimal(0),
        )
