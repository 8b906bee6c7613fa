"""Asks the gate, and a person where policy wants one, before anything of a tool call happens."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wai_ops.control.gate import ApprovalNeeded, Around, Gate, Permitted
from wai_ops.control.outbound.governed import GovernedPermit
from wai_ops.control.outbound.refusal import RefusedRequest
from wai_ops.control.outbound.request import PermitToken
from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, RiskTier
from wai_ops.control.policy.compiled import RANKS
from wai_ops.control.policy.model import RawOutput
from wai_ops.control.policy.registry import Registry
from wai_ops.core.errors import DeniedError
from wai_ops.runtime.tools.approval import Approver, Question
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.load import Tool
from wai_ops.runtime.tools.outcome import ToolFailed, ToolProblem

_REFUSED = "this call was refused by policy; do not try it again"
_NOT_APPROVED = "nobody approved this call; do not try it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in which conversation a tool is called, and under what."""

    tenant: str
    workflow: str
    conversation_id: str | None
    turn_index: int | None
    run_id: str | None
    model: str | None
    risk_tier: RiskTier
    """Of the turn."""
    data_classes: frozenset[str] = frozenset()
    """Of the data that the turn has to do with, and so of what may go out with a call."""
    justification: str
    """In the words of whoever wants the call."""


class Doorman:
    """The one door of the tool loop: what did not pass here does not happen."""

    def __init__(self, gate: Gate, registry: Registry, approver: Approver) -> None:
        """`approver`: whoever can be asked."""
        self._gate = gate
        self._registry = registry
        self._approver = approver

    def permit_call(self, tool: Tool, arguments: Mapping[str, Any], place: Place) -> Permitted:
        """Permit a tool call. Raises ToolFailed with what the model may know of a refusal."""
        action = _action(tool.name, arguments, place)
        around = _around(place, tool.name, arguments)
        try:
            if RANKS[place.risk_tier] < RANKS[tool.entry.risk]:
                reason = f"the tool is for turns of tier {tool.entry.risk} and above"
                self._gate.refuse(action, f"tools.{tool.name}.risk", tool.where, reason, **around)
            return self._asked(action, around, f"tool {tool.name}", keeps=self._keeps(action))
        except DeniedError as error:
            raise refused(error) from error

    def refuse_call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        place: Place,
        *,
        rule: str,
        reason: str,
        where: str = "",
    ) -> str | None:
        """Record that a call is refused before any policy is asked. The id of the decision."""
        around = _around(place, name, arguments)
        try:
            self._gate.refuse(_action(name, arguments, place), rule, where, reason, **around)
        except DeniedError as error:
            return decision_id_of(error)

    def refuse_at_limit(
        self, name: str, arguments: Mapping[str, Any] | None, place: Place
    ) -> str | None:
        """Record that a call is beyond the envelope's limit. The id of the decision."""
        policy = self._registry.workflow(place.workflow)
        found = None if policy is None else policy.places.get("envelope.max_tool_calls")
        return self.refuse_call(
            name,
            arguments,
            place,
            rule=f"{place.workflow}.envelope.max_tool_calls",
            reason="no more tool calls are allowed for this message",
            where="" if found is None else found.where,
        )

    def leave(
        self, tool: Tool, arguments: Mapping[str, Any], place: Place, permitted: Permitted
    ) -> "Leave":
        """Leave for the requests of a permitted call; each of them is asked for by itself."""
        around = _around(place, tool.name, arguments)
        around["parent_id"] = permitted.decision_id
        around["justification"] = f"tool {tool.name}"
        return Leave(self, _action(tool.name, arguments, place), around)

    def requests(self, action: Action, around: Around) -> GovernedPermit:
        """What `send` asks about each request of an action."""
        return GovernedPermit(self._gate, self._registry, action, **around)

    def keeps_output(self, permitted: Permitted) -> bool:
        """Whether policy wants the raw output of a call kept."""
        rule = self._registry.tool_rule(permitted.verdict.rule)
        return rule is not None and rule.raw_output is RawOutput.KEEP

    def ask(self, error: ApprovalNeeded, what: str, arguments: Mapping[str, Any] | None) -> str:
        """Ask a person who says yes. Raises the error again when nobody does."""
        record = error.record
        name = self._approver.ask(
            Question(
                what=what,
                arguments=arguments,
                rule=record.rule,
                where=record.where or "",
            )
        )
        if name is None:
            raise error
        return name

    def _keeps(self, action: Action) -> bool:
        """Whether policy wants the content of a call kept, its arguments among it."""
        rule = self._registry.tool_rule(self._registry.decide(action).rule)
        return rule is not None and rule.raw_output is RawOutput.KEEP

    def _asked(self, action: Action, around: Around, what: str, *, keeps: bool) -> Permitted:
        try:
            return self._gate.decide(action, keeps_arguments=keeps, **around)
        except ApprovalNeeded as error:
            name = self.ask(error, what, action.arguments)
        # A second decision, which names who said yes; policy may know them, or not.
        action = replace(action, approved_by=name)
        return self._gate.decide(action, keeps_arguments=keeps, **around)


class Leave:
    """Leave for the requests of one call. A person is asked once about the same address."""

    def __init__(self, doorman: Doorman, action: Action, around: Around) -> None:
        """Use `Doorman.leave`."""
        self._doorman = doorman
        self._action = action
        self._around = around
        self._approved: dict[OutboundTarget, str] = {}

    def permit(self, target: OutboundTarget, request_sha256: str, hop: int) -> PermitToken:
        """Permit one hop, with its decision on disk. Raises DeniedError."""
        try:
            return self._requests(target).permit(target, request_sha256, hop)
        except ApprovalNeeded as error:
            self._approved[target] = self._doorman.ask(error, _shown(target), None)
        return self._requests(target).permit(target, request_sha256, hop)

    def refuse(self, error: RefusedRequest, hop: int) -> None:
        """Record what the outbound gate itself refuses. Raises DeniedError."""
        self._doorman.requests(self._action, self._around).refuse(error, hop)

    def _requests(self, target: OutboundTarget) -> GovernedPermit:
        action = replace(self._action, approved_by=self._approved.get(target))
        return self._doorman.requests(action, self._around)


def refused(error: DeniedError) -> ToolFailed:
    """What the model is told of a refusal: that it is one, and nothing about the rules."""
    if isinstance(error, ApprovalNeeded):
        failed = ToolFailed(ToolProblem.NOT_APPROVED, _NOT_APPROVED, sent=False)
    else:
        failed = ToolFailed(ToolProblem.REFUSED, _REFUSED, sent=False)
    failed.decision_id = decision_id_of(error)
    record = getattr(error, "record", None)
    if record is not None:
        at = f" ({record.where})" if record.where else ""
        failed.detail = f"{record.rule}{at}: {record.reason}"
    return failed


def decision_id_of(error: DeniedError) -> str | None:
    """The decision that a refusal was recorded under."""
    record = getattr(error, "record", None)
    return None if record is None else str(record.decision_id)


def _action(name: str, arguments: Mapping[str, Any] | None, place: Place) -> Action:
    return Action(
        kind=ActionKind.TOOL_CALL,
        tenant=place.tenant,
        workflow=place.workflow,
        risk_tier=place.risk_tier,
        model=place.model,
        tool=name,
        arguments=arguments,
        data_classes=place.data_classes,
    )


def _around(place: Place, name: str, arguments: Mapping[str, Any] | None) -> Around:
    asked_for = canonical_json({"tool": name, "arguments": arguments})
    return Around(
        justification=place.justification,
        request_sha256=hashlib.sha256(asked_for.encode("utf-8", "surrogatepass")).hexdigest(),
        run_id=place.run_id,
        conversation_id=place.conversation_id,
        turn_index=place.turn_index,
    )


def _shown(target: OutboundTarget) -> str:
    return f"{target.method} {target.scheme}://{target.host}:{target.port}{target.path}"
