"""The tool loop: a model's request, the calls that it asks for, their results, until it answers.

Every step is a turn of the conversation of its own: the results go out as `role: tool` messages,
byte for byte the same whenever the history is sent again. Calls of one reply are made one after
the other, in the order in which they stand. A loop ends with an answer, at a limit, or when the
model goes round in circles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from wai_ops.control.policy.action import RiskTier
from wai_ops.core.errors import DeniedError, RemoteError, WaiError
from wai_ops.core.failures import TRAITS, FailureClass
from wai_ops.core.text import counted, one_line
from wai_ops.runtime.request import Ask
from wai_ops.runtime.run import Finished, tool_call_dicts
from wai_ops.runtime.tools.calling import Called, ToolCall, ToolCaller
from wai_ops.runtime.tools.doorman import Place
from wai_ops.runtime.tools.load import Toolbox
from wai_ops.runtime.tools.messages import result_message
from wai_ops.runtime.tools.outcome import ToolProblem
from wai_ops.runtime.tools.repeats import Repeats

MAX_CALLS = 25
"""Tool calls for one message of the user, where no envelope says otherwise."""
_REPEATS_FORGIVEN = 1
"""So many repeats are refused with a word to the model; the next one ends the loop."""
_JUSTIFICATION = 500


class LoopSink(Protocol):
    """Where a loop shows what happens while it happens."""

    def notice(self, text: str) -> None:
        """Take a message about the run."""
        ...


class ToolLoopEnded(Exception):  # noqa: N818 - an end like others
    """A loop that came to no answer. Its last calls have no results in the history."""

    def __init__(self, failure: FailureClass, message: str) -> None:
        """Keep the class of failure and the words for people."""
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.steps: tuple[Finished, ...] = ()
        self.calls: tuple[Called, ...] = ()

    def to_error(self) -> WaiError:
        """The error that a user meets: refused at a limit (5), or a model's fault (3)."""
        kind = DeniedError if self.failure is FailureClass.LOCAL_BUDGET else RemoteError
        return kind(
            f"{self.failure.value}: {TRAITS[self.failure].meaning} ({self.message})",
            hint="the conversation goes on with another message; see: wai report timeline",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRules:
    """Under what a loop runs."""

    risk_tier: RiskTier = RiskTier.LOW
    data_classes: frozenset[str] = frozenset()
    max_calls: int = MAX_CALLS
    unlisted: tuple[str, ...] = ()
    """Tools that are offered though no rule of the workflow's policy names them."""


class ToolLoop:
    """Runs the tool calls of conversations. One for each process; close it."""

    def __init__(
        self, toolbox: Toolbox, caller: ToolCaller, rules: Callable[[Ask], LoopRules]
    ) -> None:
        """`toolbox`: what models are offered. `rules`: under what a question is answered."""
        self.toolbox = toolbox
        self._caller = caller
        self._rules = rules
        self.calls: list[Called] = []
        """Of the last `run`, in order."""
        self._repeats = Repeats()
        self._refused_repeats = 0

    def close(self) -> None:
        """Stop the servers that were started."""
        self._caller.close()

    def begin(self) -> None:
        """Start counting anew: the user has said something."""
        self.calls = []
        self._repeats = Repeats()
        self._refused_repeats = 0

    def run(self, ask: Ask, send: Callable[[Ask], Finished], sink: LoopSink) -> Sequence[Finished]:
        """Send, answer the calls, send again; the last step has the final answer or a failure.

        Raises ToolLoopEnded when there is none, and whatever `send` raises.
        """
        self.begin()
        if unlisted := self._rules(ask).unlisted:
            names = one_line(", ".join(unlisted))
            sink.notice(f"no policy lets workflow {ask.workflow} call {names}")
        ask = offering(ask, self.toolbox)
        steps = [send(ask)]
        try:
            while _wants_tools(steps[-1]):
                messages = self.answer(steps[-1], sink)
                # The question stands in the history now: only the results are new.
                ask = replace(ask, results=messages)
                steps.append(send(ask))
        except ToolLoopEnded as ended:
            ended.steps = tuple(steps)
            ended.calls = tuple(self.calls)
            raise
        return steps

    def answer(self, step: Finished, sink: LoopSink) -> tuple[dict[str, Any], ...]:
        """Make the calls of one reply, in order, and return the messages that answer them.

        Raises ToolLoopEnded when there is no point in going on.
        """
        ask = step.prepared.ask
        rules = self._rules(ask)
        wanted = tool_call_dicts(step.reply)
        place = Place(
            tenant=ask.tenant,
            workflow=ask.workflow,
            conversation_id=ask.conversation_id,
            turn_index=step.prepared.turn_index,
            run_id=step.prepared.run_id,
            model=step.prepared.ask.model,
            risk_tier=rules.risk_tier,
            data_classes=rules.data_classes,
            justification=_justification(step),
        )
        tokens = step.attempts[-1].output_tokens if step.attempts else None
        if any(called.problem is ToolProblem.LIMIT for called in self.calls):
            # It was told so, and goes on asking.
            raise ToolLoopEnded(
                FailureClass.LOCAL_BUDGET,
                f"{counted(rules.max_calls, 'tool call')} were made for one message",
            )
        messages = []
        for call in wanted:
            function = call["function"]
            called = self._caller.call(
                ToolCall(
                    call_id=call["id"],
                    name=function["name"],
                    arguments=function["arguments"],
                    output_tokens=None if tokens is None else tokens / len(wanted),
                ),
                place,
                self._repeats,
                is_over_limit=len(self.calls) >= rules.max_calls,
            )
            self.calls.append(called)
            sink.notice(described(called))
            self._count_repeats(called)
            messages.append(result_message(called.call_id, called.content))
        return tuple(messages)

    def _count_repeats(self, called: Called) -> None:
        if called.problem is not ToolProblem.REPEATED:
            return
        self._refused_repeats += 1
        if self._refused_repeats > _REPEATS_FORGIVEN:
            raise ToolLoopEnded(
                FailureClass.TOOL_LOOP, f"{called.name} again, with the same arguments"
            )


def offering(ask: Ask, toolbox: Toolbox) -> Ask:
    """The question with tools: those of its prompt, then ours; ours where both declare one.

    Always in the same order: the definitions are part of the prefix that stays cached.
    """
    ours = {tool["function"]["name"] for tool in toolbox.definitions}
    theirs = [tool for tool in ask.tools or () if _name_of(tool) not in ours]
    return replace(ask, tools=(*theirs, *toolbox.definitions))


def described(called: Called) -> str:
    """One line about a call, for people."""
    took = f"{called.duration_ms / 1000:.2f} s"
    what = "ok" if called.problem is None else called.problem.value
    decision = f", decision {called.decision_id}" if called.decision_id else ""
    if called.detail:
        what += f" ({one_line(called.detail)})"
    return f"tool {one_line(called.name, 128)}: {what}, {took}{decision}"


def _wants_tools(step: Finished) -> bool:
    return step.reply.failure is None and bool(step.reply.answer.tool_calls)


def _justification(step: Finished) -> str:
    said = " ".join(step.reply.answer.text.split())
    return said[:_JUSTIFICATION] if said else f"asked for by {step.prepared.ask.model}"


def _name_of(tool: dict[str, Any]) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else tool.get("name")
