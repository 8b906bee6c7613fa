"""The gate as one run sees it: its attempts are let through or refused here, and recorded."""

import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn

from wai_ops.cloudflare.inference import Reply
from wai_ops.control.envelopes.enforce import Breach
from wai_ops.control.gate import Gate, OutcomeWord, Permitted, RecordedDenial
from wai_ops.control.policy.action import Verdict, VerdictWord
from wai_ops.control.routing.facts import NoRouteError, RouteChoice
from wai_ops.core.failures import FailureClass
from wai_ops.core.records import AttemptRecord
from wai_ops.runtime.governed import GovernedPlan
from wai_ops.runtime.governed_refusal import Refused
from wai_ops.runtime.governed_result import RunDecision
from wai_ops.runtime.plan import Prepared
from wai_ops.runtime.record import COMPLETE


class RunGate:
    """Has the attempts of one run decided, and records how they ended."""

    def __init__(self, gate: Gate, found: GovernedPlan, *, justification: str) -> None:
        """Nothing is decided yet."""
        self._gate = gate
        self._found = found
        self._justification = justification
        self._permit: Permitted | None = None
        self.decisions: list[RunDecision] = []
        self.choice: RouteChoice | None = found.choice if found.is_route_followed else None
        """The route that the next attempt follows."""

    def deny(self, prepared: Prepared) -> NoReturn:
        """Have what the policies say recorded, and raise it. Raises Refused."""
        try:
            self._gate.decide(self._found.action, **self._around(prepared))
        except RecordedDenial as error:
            raise _refused(error, FailureClass.LOCAL_POLICY, _model_hint(self._found)) from error
        raise AssertionError("the gate permits what the registry denies")

    def refuse_route(self, prepared: Prepared, error: NoRouteError) -> NoReturn:
        """Refuse because no model may serve. Raises Refused."""
        self._refuse(
            prepared,
            rule=error.rule,
            where=error.where or "",
            reason=error.message,
            hint=error.hint or "",
            failure=FailureClass.LOCAL_POLICY,
        )

    def refuse(self, prepared: Prepared, breach: Breach) -> NoReturn:
        """Refuse because a limit would be passed. Raises Refused."""
        self._refuse(
            prepared,
            rule=breach.place.rule,
            where=breach.place.where,
            reason=breach.reason,
            hint=breach.hint,
            failure=FailureClass.LOCAL_BUDGET if breach.is_money else FailureClass.LOCAL_POLICY,
        )

    def _refuse(
        self,
        prepared: Prepared,
        *,
        rule: str,
        where: str,
        reason: str,
        hint: str,
        failure: FailureClass,
    ) -> NoReturn:
        action = replace(self._found.action, model=prepared.ask.model)
        try:
            self._gate.refuse(
                action, rule, where, reason, failure=failure, **self._around(prepared)
            )
        except RecordedDenial as error:
            raise _refused(error, failure, hint) from error

    def permit(
        self,
        prepared: Prepared,
        announced: AttemptRecord,
        *,
        breach: Breach | None,
        reserved_usd: Decimal | None,
    ) -> Verdict:
        """Have an attempt decided and recorded as started. Raises Refused and DataError.

        `breach`: the limit that it passes because the policy only observes.
        """
        action = replace(self._found.action, model=prepared.ask.model)
        try:
            self._permit = self._gate.decide(
                action,
                said=self._observed_verdict(breach),
                attempt_id=announced.attempt_id,
                reserved_usd=reserved_usd,
                **self._around(prepared),
            )
        except RecordedDenial as error:
            raise _refused(error, FailureClass.LOCAL_POLICY, _model_hint(self._found)) from error
        verdict = self._permit.verdict
        self.decisions.append(
            RunDecision(
                attempt=announced.attempt,
                decision_id=self._permit.decision_id,
                model=prepared.ask.model,
                verdict=verdict.word.value,
                rule=verdict.rule,
                where=verdict.where,
            )
        )
        return verdict

    def end(self, reply: Reply, record: AttemptRecord) -> None:
        """Record what came of the attempt. Raises DataError."""
        assert self._permit is not None, "nothing was let through"
        self._permit.end(
            _outcome(reply),
            error_type=record.error_type,
            result_sha256=record.response_sha256,
            cost_usd=record.cost_usd,
            cost_state=record.cost_state,
            duration_ms=record.duration_ms,
            log_id=record.log_id,
            http_status=record.http_status,
        )

    def _around(self, prepared: Prepared) -> Any:
        return {
            "justification": self._justification,
            "request_sha256": hashlib.sha256(prepared.call.body).hexdigest(),
            "run_id": prepared.run_id,
            "conversation_id": prepared.ask.conversation_id,
            "turn_index": prepared.turn_index,
            "prompt_name": prepared.ask.prompt_name,
            "prompt_version": prepared.ask.prompt_version,
            "parent_id": self.decisions[0].decision_id if self.decisions else None,
            "route": None if self.choice is None else self.choice.to_record(),
        }

    def _observed_verdict(self, breach: Breach | None) -> Verdict | None:
        """What would have been said, where a policy that only observes lets a limit be passed."""
        found = self._found
        breach = breach or found.output_breach
        if not found.is_observed or found.verdict.word is not VerdictWord.ALLOW:
            return None
        if breach is not None:
            rule, where, reason = breach.place.rule, breach.place.where, breach.reason
        elif found.no_route is not None:
            error = found.no_route
            rule, where, reason = error.rule, error.where or "", error.message
        else:
            return None
        return replace(found.verdict, word=VerdictWord.DENY, rule=rule, where=where, reason=reason)


def _outcome(reply: Reply) -> OutcomeWord:
    """How the action ended, as the decision log says it."""
    if reply.interrupt is not None:
        return "cancelled"
    if reply.failure in COMPLETE:
        return "ok"
    return "unknown" if reply.sent and reply.status is None else "failed"


def _refused(error: RecordedDenial, failure: FailureClass, hint: str) -> Refused:
    return Refused(error.message, hint=hint or error.hint, failure=failure, record=error.record)


def _model_hint(found: GovernedPlan) -> str:
    """What would be allowed."""
    policy, tier = found.policy, found.action.risk_tier
    if policy is None:
        return "add the workflow to a policy, or name one with --workflow: wai policy show"
    if tier not in policy.risk:
        known = ", ".join(sorted(policy.risk))
        return f"its tiers are {known}: --risk"
    allowed = [model for model in policy.models.get(tier, ()) if model not in policy.deny_models]
    if allowed and found.action.model not in allowed:
        return f"allowed for tier {tier.value}: {', '.join(allowed)}"
    return ""
