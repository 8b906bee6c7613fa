"""Every change of guards is a decision record: who, what plan, why, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from wai_ops.cli.actor import actor_of, credential_id_of
from wai_ops.cli.context import AppContext
from wai_ops.cli.run_service import surroundings_of
from wai_ops.config.connection import Connection
from wai_ops.config.credentials import Role
from wai_ops.control.budgets.plan import Plan
from wai_ops.control.decisions.log import FOLDER_NAME, DecisionLog
from wai_ops.control.gate import Gate
from wai_ops.control.policy.action import Action, ActionKind, RiskTier, Verdict, VerdictWord
from wai_ops.core.errors import WaiError
from wai_ops.state.live import LiveState

WORKFLOW = "budgets"
TENANT = "operator"


class _Operator:
    """Who holds the operator token may change guards; no policy of a workflow is about it."""

    def __init__(self, plan: Plan) -> None:
        self._sha256 = plan.sha256

    def decide(self, action: Action) -> Verdict:
        """Allow."""
        del action
        return Verdict(
            word=VerdictWord.ALLOW,
            rule="operator.budgets",
            where="",
            reason="holders of the operator token may change guards",
            policy_version="none",
            policy_sha256=self._sha256,
        )


@contextmanager
def recorded(
    app: AppContext, plan: Plan, connection: Connection, *, justification: str
) -> Iterator[str]:
    """Record that a plan is applied, before its first request; yields the decision's id."""
    token = connection.token.reveal()
    with LiveState.open(app.settings.state_dir, clock=app.clock) as live:
        gate = Gate(
            _Operator(plan),
            DecisionLog(app.settings.state_dir / FOLDER_NAME, app.clock),
            live,
            clock=app.clock,
            actor=actor_of(app.environ),
            credential_id=credential_id_of(app, Role.OPERATOR, token),
            keeper=surroundings_of(app, token).keeper,
        )
        action = Action(
            kind=ActionKind.OPERATOR_CHANGE,
            tenant=TENANT,
            workflow=WORKFLOW,
            role=Role.OPERATOR.value,
            risk_tier=RiskTier.HIGH,
            arguments={
                "gateway_id": plan.gateway_id,
                "changes": [[change.op.value, str(change.ref)] for change in plan.changes],
            },
        )
        permitted = gate.decide(
            action,
            keeps_arguments=True,
            justification=justification,
            request_sha256=plan.sha256,
        )
        try:
            yield permitted.decision_id
        except WaiError as error:
            permitted.end("failed", error_type=type(error).__name__)
            raise
        except BaseException:
            permitted.end("unknown")
            raise
        permitted.end("ok")
