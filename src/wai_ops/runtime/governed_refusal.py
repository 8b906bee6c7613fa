"""A run that is refused: the error that says so, and in which words a budget lacks room."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from wai_ops.control.envelopes.enforce import Breach
from wai_ops.control.envelopes.limits import LimitPlace, Limits
from wai_ops.core.errors import DeniedError
from wai_ops.core.failures import FailureClass
from wai_ops.runtime.governed_result import RunRefusal

if TYPE_CHECKING:
    from wai_ops.control.decisions.record import DecisionRecord
    from wai_ops.state.reservations import Shortage


class Refused(DeniedError):  # noqa: N818 - it says what happened
    """Policy or a budget refused a call: nothing was sent. `record` is the decision."""

    def __init__(
        self, message: str, *, hint: str | None, failure: FailureClass, record: "DecisionRecord"
    ) -> None:
        """Keep the class of the failure, and the decision as it was recorded."""
        super().__init__(message, hint=hint)
        self.failure = failure
        self.record = record

    @property
    def decision_id(self) -> str:
        """The id of the decision."""
        return self.record.decision_id

    def told(self) -> RunRefusal:
        """The refusal as `--json` prints it."""
        record = self.record
        return RunRefusal(
            decision_id=record.decision_id,
            error_type=self.failure.value,
            tenant=record.tenant,
            workflow=record.workflow,
            conversation_id=record.conversation_id or "",
            model=record.model or "",
            risk_tier=record.risk_tier,
            rule=record.rule,
            where=record.where or "",
            reason=record.reason,
            policy_version=record.policy_version,
            hint=self.hint or "",
        )


def shortage_breach(
    short: "Shortage", limits: Limits, *, own_key: str, places: Mapping[str, str]
) -> Breach:
    """Say that a budget lacks room. `own_key`: the conversation's own; `places` of the others."""
    balance = short.balance
    is_own = balance.key == own_key
    place = limits.place("per_conversation_usd")
    if not is_own:
        name = balance.key.partition(":")[2].partition("[")[0]
        place = LimitPlace(rule=f"budgets.{name}", where=places.get(name, ""))
    left = f"${usd(balance.remaining_usd)} of ${usd(balance.limit_usd)} is left"
    taken = [f"${usd(balance.spent_usd)} spent"]
    if balance.open_usd:
        taken.append(f"${usd(balance.open_usd)} set aside by calls in flight")
    if balance.unknown_usd:
        taken.append(f"${usd(balance.unknown_usd)} set aside by calls whose cost is not known")
    if short.may_clear and balance.open_usd:
        hint = "try again when the calls in flight have ended, or wait longer: --budget-wait"
    elif balance.unknown_usd:
        hint = "see what is set aside: wai envelope show; and what is known of it: reconcile"
    elif is_own:
        hint = "raise the limit in the policy, lower --max-tokens, or begin another conversation"
    else:
        hint = "see: wai budget status, wai envelope show"
    return Breach(
        name="per_conversation_usd" if is_own else "budget",
        place=place,
        reason=(
            f"the call could cost ${usd(short.needed_usd)}, and {left} of {balance.key} "
            f"({', '.join(taken)})"
        ),
        hint=hint,
        is_money=True,
        is_contended=short.may_clear,
    )


def usd(amount: Decimal) -> str:
    """Dollars without zeros at the end."""
    return f"{amount.normalize():f}"
