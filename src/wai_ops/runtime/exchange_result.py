"""From an exchange to what `--json` tells of it besides the last request."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wai_ops.runtime.exchange import Exchange
from wai_ops.runtime.result import RunCheckpoint, RunExchange, RunToolCall
from wai_ops.runtime.turn_cost import total_cost

if TYPE_CHECKING:
    from wai_ops.runtime.tools.calling import Called


def exchange_result(done: Exchange, calls: Sequence["Called"]) -> RunExchange:
    """Put it together; `calls` are those of its tools, in order."""
    made = done.checkpoint
    costs = [
        (attempt.cost_usd, attempt.cost_state) for step in done.steps for attempt in step.attempts
    ]
    if made is not None:
        costs.append((made.cost_usd, made.cost_state))
    cost_usd, cost_state = total_cost(costs)
    return RunExchange(
        turn_indexes=[step.prepared.turn_index for step in done.steps],
        cost_usd=cost_usd,
        cost_state=cost_state,
        tools=[
            RunToolCall(
                tool=call.name,
                ok=call.problem is None,
                problem=None if call.problem is None else call.problem.value,
                decision_id=call.decision_id,
                duration_ms=call.duration_ms,
                result_sha256=call.result_sha256,
            )
            for call in calls
        ],
        checkpoint=None
        if made is None
        else RunCheckpoint(
            checkpoint_id=made.checkpoint_id,
            is_made=made.is_made,
            reason=made.reason,
            covers_turn_index=made.covers_turn_index,
            cost_usd=made.cost_usd,
        ),
    )
