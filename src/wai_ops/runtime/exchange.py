"""One exchange: what the user says, and everything until the final answer.

Without tools that is one request. With tools it is as many as the loop takes; each of them is a
turn of its own. Before the first one, a checkpoint is made when one is due.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from wai_ops.cloudflare.inference import Reply
from wai_ops.runtime.affinity import affinity_key
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.request import Ask
from wai_ops.runtime.run import Finished, Sink
from wai_ops.state.conversations import count_since_checkpoint, last_reply
from wai_ops.state.live import LiveState

if TYPE_CHECKING:
    from wai_ops.runtime.checkpoint import CheckpointOutcome
    from wai_ops.runtime.checkpoint_plan import CheckpointPolicy


class ToolLoop(Protocol):
    """What calls tools between the requests of one exchange."""

    def run(self, ask: Ask, send: Callable[[Ask], Finished], sink: Sink) -> Sequence[Finished]:
        """Ask, call what the model asks for, and go on until the final answer, the last one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How an exchange ended."""

    steps: Sequence[Finished]
    """Every model request, at least one."""
    checkpoint: "CheckpointOutcome | None"
    """What became of the checkpoint that was due before it; None: none was."""

    @property
    def finished(self) -> Finished:
        """The last request: the final answer, or what stopped it."""
        return self.steps[-1]


def exchange(
    ask: Ask,
    service: Service,
    around: Surroundings,
    live: LiveState,
    sink: Sink,
    *,
    check: Callable[[Reply], None] | None = None,
    tools: ToolLoop | None = None,
    checkpoints: "CheckpointPolicy | None" = None,
    governance: Any = None,
) -> Exchange:
    """Answer one message of the user. `check` judges the final answer.

    Raises what `execute` raises.
    """
    caller = Caller(service=service, around=around, live=live, sink=sink, governance=governance)
    return converse(ask, caller, check=check, tools=tools, checkpoints=checkpoints)


def converse(
    ask: Ask,
    caller: Caller,
    *,
    check: Callable[[Reply], None] | None = None,
    tools: ToolLoop | None = None,
    checkpoints: "CheckpointPolicy | None" = None,
) -> Exchange:
    """Do the same with a caller that many exchanges share."""
    outcome = None
    if checkpoints is not None and not ask.results and _may_be_due(ask, checkpoints, caller.live):
        from wai_ops.runtime.checkpoint import make_checkpoint
        from wai_ops.runtime.checkpoint_plan import NotDue

        made = make_checkpoint(ask, caller, checkpoints)
        outcome = None if isinstance(made, NotDue) else made
    judge = _final(check)
    ask = as_sent(ask, caller.live)

    def send(step: Ask) -> Finished:
        return caller.send(step, check=judge)

    steps = (send(ask),) if tools is None else tuple(tools.run(ask, send, caller.sink))
    return Exchange(steps=steps, checkpoint=outcome)


def as_sent(ask: Ask, live: LiveState) -> Ask:
    """The question as a request carries it: what nobody answered goes in front of it.

    A loop may end between a call of a tool and its result; no provider takes a history that goes
    on from there.
    """
    if ask.results:
        return ask
    reply = last_reply(live, affinity_key(ask.tenant, ask.workflow, ask.conversation_id))
    if reply is None or '"tool_calls":' not in reply:
        return ask
    from wai_ops.runtime.tools.messages import unanswered

    answers = unanswered(reply)
    if not answers:
        return ask
    return replace(ask, results=(*answers, {"role": "user", "content": ask.text}))


def _may_be_due(ask: Ask, policy: "CheckpointPolicy", live: LiveState) -> bool:
    """A cheap look, so that an ordinary run imports nothing for it."""
    if policy.every_turns == 0:
        return False
    key = affinity_key(ask.tenant, ask.workflow, ask.conversation_id)
    return count_since_checkpoint(live, key) >= policy.every_turns


def _final(check: Callable[[Reply], None] | None) -> Callable[[Reply], None] | None:
    """A check of final answers only: a reply that asks for tools is none."""
    if check is None:
        return None

    def judge(reply: Reply) -> None:
        if not reply.answer.tool_calls:
            check(reply)

    return judge
