"""The outbound gate under policy: leave comes from the one gate of all actions."""

from dataclasses import replace
from typing import Unpack

from wai_ops.control.gate import Around, EndFacts, Gate, OutcomeWord, Permitted
from wai_ops.control.outbound.refusal import RefusedRequest
from wai_ops.control.outbound.request import PermitToken
from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget
from wai_ops.control.policy.registry import Registry


class GovernedToken:
    """A `PermitToken` over what the gate returned."""

    def __init__(self, permitted: Permitted, *, allows_private: bool) -> None:
        """Use `GovernedPermit`."""
        self._permitted = permitted
        self.decision_id = permitted.decision_id
        self.allows_private = allows_private

    def end(self, outcome: OutcomeWord, **facts: Unpack[EndFacts]) -> None:
        """Record what came of the request."""
        self._permitted.end(outcome, **facts)


class GovernedPermit:
    """Asks the gate about each hop of one `send`: give `permit` and `refuse` of it to `send`."""

    def __init__(
        self, gate: Gate, registry: Registry, action: Action, **around: Unpack[Around]
    ) -> None:
        """`action`: the tool call that the requests belong to; `around`: what surrounds it.

        Its `request_sha256` is that of the tool call, which counts for requests that are refused
        before they have one; `parent_id` should be the tool call's decision.
        """
        self._gate = gate
        self._registry = registry
        self._action = replace(action, kind=ActionKind.OUTBOUND_REQUEST, arguments=None, model=None)
        self._around = around

    def permit(self, target: OutboundTarget, request_sha256: str, hop: int) -> PermitToken:
        """Decide on one hop; `send` calls it. Raises DeniedError."""
        del hop
        around: Around = {**self._around, "request_sha256": request_sha256}
        permitted = self._gate.decide(replace(self._action, target=target), **around)
        rule = self._registry.outbound_rule(permitted.verdict.rule)
        return GovernedToken(permitted, allows_private=rule is not None and rule.allow_private)

    def refuse(self, error: RefusedRequest, hop: int) -> None:
        """Record that the gate refused a hop by a rule of its own; always raises DeniedError."""
        del hop
        action = replace(self._action, target=error.target)
        self._gate.refuse(action, error.rule, "", error.reason, **self._around)
