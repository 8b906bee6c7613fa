"""One sitting in a conversation: what is asked of the model, and what was spent since it began."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wai_ops.cli.context import AppContext
from wai_ops.core.errors import UsageError, WaiError
from wai_ops.core.failures import FailureClass
from wai_ops.runtime.affinity import affinity_key
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy, NotDue
from wai_ops.runtime.conversation_change import last_question, undo_exchange
from wai_ops.runtime.exchange import Exchange, ToolLoop, converse
from wai_ops.runtime.history import is_complete
from wai_ops.runtime.record import COMPLETE
from wai_ops.runtime.request import Ask
from wai_ops.state.conversations import list_turns

if TYPE_CHECKING:
    from wai_ops.runtime.checkpoint import CheckpointOutcome
    from wai_ops.runtime.conversation_detail import ConversationDetail


@dataclass(slots=True)
class Spent:
    """What this sitting took so far."""

    turns: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unknown: int = 0
    """Attempts and summaries whose cost is not known."""

    def add(self, done: Exchange) -> None:
        """Count an exchange, every attempt and the checkpoint before it."""
        self.turns += 1
        for step in done.steps:
            last = step.attempts[-1]
            self.input_tokens += last.input_tokens or 0
            self.cached_input_tokens += last.cached_input_tokens or 0
            self.output_tokens += last.output_tokens or 0
            for attempt in step.attempts:
                self._pay(attempt.cost_usd)
        if done.checkpoint is not None:
            self._pay(done.checkpoint.cost_usd)

    def pay(self, outcome: "CheckpointOutcome") -> None:
        """Count a checkpoint that was asked for."""
        self._pay(outcome.cost_usd)

    def _pay(self, amount: Decimal | None) -> None:
        if amount is None:
            self.unknown += 1
        else:
            self.cost_usd += amount


class ChatSession:
    """The conversation as commands and messages change it.

    `make_ask` turns a message into a question: (text, model, system) -> Ask.
    """

    def __init__(
        self,
        context: AppContext,
        caller: Caller,
        policy: CheckpointPolicy,
        make_ask: Callable[[str, str | None, str | None], Ask],
        *,
        model: str | None,
        system: str | None,
        tools: ToolLoop | None,
        tool_names: list[str],
    ) -> None:
        """Begin; `probe` is an ask that tells whose conversation it is."""
        self.context = context
        self.caller = caller
        self.policy = policy
        self.spent = Spent()
        self.model = model
        self.system = system
        self.tools = tools
        self.tool_names = tool_names
        self._make_ask = make_ask
        probe = make_ask("?", model, None)
        self.conversation_id = probe.conversation_id
        self.tenant, self.workflow = probe.tenant, probe.workflow
        self.key = affinity_key(self.tenant, self.workflow, self.conversation_id)

    def ask(self, text: str) -> Ask:
        """The question that a message is."""
        return self._make_ask(text, self.model, self.system)

    def say(self, text: str) -> Exchange:
        """One exchange. Raises what `execute` raises; a failure of the call is in the result."""
        ask = self.ask(text)
        if self.tools is None:
            done = converse(ask, self.caller, checkpoints=self.policy)
        else:
            done = self._with_tools(ask, self.tools)
        self.spent.add(done)
        return done

    def _with_tools(self, ask: Ask, tools: ToolLoop) -> Exchange:
        from wai_ops.runtime.tools.loop import ToolLoopEnded

        try:
            return converse(ask, self.caller, tools=tools, checkpoints=self.policy)
        except ToolLoopEnded as ended:
            if ended.steps:
                self.spent.add(Exchange(steps=ended.steps, checkpoint=None))
            raise ended.to_error() from ended

    def retry(self) -> str:
        """Take the last answer back, if there is one; return the question. Raises UsageError."""
        turns = list_turns(self.caller.live, self.key)
        question = last_question(self.caller.live, self.key)
        if question is None:
            raise UsageError("there is nothing to ask again")
        last = next(turn for turn in reversed(turns) if turn.undone_from is None)
        return undo_exchange(self.caller.live, self.key) if is_complete(last) else question

    def undo(self) -> str:
        """Take the last exchange back and return what was said in it. Raises UsageError."""
        return undo_exchange(self.caller.live, self.key)

    def checkpoint(self) -> "CheckpointOutcome | NotDue":
        """Make a checkpoint now, whether it is due or not."""
        from wai_ops.runtime.checkpoint import make_checkpoint

        made = make_checkpoint(self.ask("?"), self.caller, self.policy, is_forced=True)
        if not isinstance(made, NotDue):
            self.spent.pay(made)
        return made

    def change_policy(self, every: str) -> None:
        """Make checkpoints every so many turns, or none. Raises UsageError."""
        from wai_ops.cli.run_checkpoints import every_turns_of

        turns = every_turns_of(every, self.policy.every_turns)
        keep = min(self.context.settings.checkpoints.keep_turns, max(1, turns - 1))
        self.policy = replace(self.policy, every_turns=turns, keep_turns=keep)

    def change_system(self, text: str) -> None:
        """Set the system text. Raises UsageError once the conversation has begun."""
        if any(is_complete(turn) for turn in list_turns(self.caller.live, self.key)):
            raise UsageError(
                "the conversation has begun: its system text stays",
                hint="leave with /quit and begin another: wai chat --system TEXT",
            )
        self.system = text

    def change_model(self, model: str) -> str:
        """Ask another model from now on. Raises UsageError for what is no model id."""
        before = self.model
        self.model = model
        try:
            return self.ask("?").model
        except WaiError:
            self.model = before
            raise

    def detail(self) -> "ConversationDetail | None":
        """The conversation so far; None: nothing was said yet."""
        from wai_ops.runtime.conversation_detail import show_conversation
        from wai_ops.state.sessions import find_session

        live = self.caller.live
        session = find_session(live, self.key)
        if session is None:
            return None
        return show_conversation(live, session, self.caller.around.prices)


def problem_of(done: Exchange) -> WaiError | None:
    """What kept an exchange from an answer; None: there is one, whatever is wrong with it."""
    finished = done.finished
    failure: FailureClass | None = finished.reply.failure
    if failure is None or failure in COMPLETE:
        return None
    from wai_ops.runtime.explain import error_of

    return error_of(
        failure,
        message=finished.attempts[-1].error_message,
        code=finished.reply.error_code,
        status=finished.reply.status,
        attempts=len(finished.attempts),
        stop_reason=finished.stop_reason,
        address=finished.prepared.call.url,
    )


def result_line(done: Exchange, tools: ToolLoop | None) -> Any:
    """The result object of `--json`: that of `wai run`."""
    from wai_ops.runtime.exchange_result import exchange_result
    from wai_ops.runtime.summary import result_of

    whole = None
    if tools is not None or done.checkpoint is not None or len(done.steps) > 1:
        whole = exchange_result(done, getattr(tools, "calls", ()))
    return result_of(done.finished, exchange=whole)
