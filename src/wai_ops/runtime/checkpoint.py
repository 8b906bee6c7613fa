"""Making a checkpoint: a summary of the older turns, by a recorded and priced call of its own.

The order is the guarantee. A row says that one is being made; then the model is called, in a
conversation of its own; then the text and the state `made` are written in one transaction. Whatever
is killed in between, the conversation goes on with its whole history, and nobody ever sends half a
summary. What goes wrong with the call is never an error of the conversation: it goes on without.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.cloudflare.inference import Reply
from wai_ops.core.errors import DeniedError
from wai_ops.core.failures import FailureClass
from wai_ops.core.ids import SUMMARY, is_name, uuid7
from wai_ops.core.text import counted, one_line
from wai_ops.runtime.affinity import affinity_key
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.checkpoint_facts import (
    BadAnswerError,
    Memory,
    Replaced,
    carry,
    parse_answer,
)
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy, NotDue, Span, model_for, span_due
from wai_ops.runtime.checkpoint_prompt import Material, Request
from wai_ops.runtime.checkpoint_text import memory_messages, tokens_of, transcript
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.request import Ask, PromptRelease
from wai_ops.runtime.run import Finished, Sink
from wai_ops.runtime.turn_cost import cost_of_attempts
from wai_ops.state.checkpoints import (
    Checkpoint,
    close_lost_checkpoints,
    finish_checkpoint,
    insert_checkpoint,
    list_checkpoints,
)
from wai_ops.state.conversations import list_turns
from wai_ops.state.live import LiveState
from wai_ops.state.owner import is_alive

_WORDS_PER_TOKEN = Decimal("0.4")
"""Of the limit in tokens: a summary that fits leaves room for the facts."""
_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointOutcome:
    """What became of a checkpoint that was due."""

    checkpoint_id: str
    is_made: bool
    reason: str
    """Why it was not made; empty."""
    covers_turn_index: int
    turn_count: int
    fact_count: int
    model: str
    tokens_before: int
    tokens_after: int | None
    cost_usd: Decimal | None
    cost_state: str


@dataclass(frozen=True, slots=True)
class _Failed:
    reason: str


class _Judge:
    """Reads an answer as it arrives, so that a bad one is recorded as one."""

    def __init__(self, kept: tuple[str, ...], keeper: Keeper, limit: int) -> None:
        self._kept = kept
        self._keeper = keeper
        self._limit = limit
        self.memory: Memory | None = None
        self.messages_json = ""
        self.problem = ""

    def __call__(self, reply: Reply) -> None:
        self.memory = None
        if reply.answer.finish_reason in {"length", "model_length"}:
            self.problem = "the answer was cut by its limit"
            return
        try:
            answer = parse_answer(reply.answer.text, kept_count=len(self._kept))
        except BadAnswerError as error:
            self._refuse(reply, str(error))
            return
        memory = _masked(carry(self._kept, answer), self._keeper)
        messages = memory_messages(memory)
        size = tokens_of(messages)
        if size > self._limit:
            allowed = f"about {size} tokens, and {self._limit} are allowed"
            self._refuse(reply, f"summary and facts take {allowed}")
            return
        self.memory, self.messages_json = memory, messages

    def _refuse(self, reply: Reply, problem: str) -> None:
        self.problem = one_line(problem)
        reply.failure = FailureClass.INVALID_OUTPUT
        reply.error_message = self.problem


def make_checkpoint(
    ask: Ask, caller: Caller, policy: CheckpointPolicy, *, is_forced: bool = False
) -> CheckpointOutcome | NotDue:
    """Make the conversation's next checkpoint if it is due, or if somebody asks for it now.

    `ask` is the conversation's next question: whose it is, and its model. Raises DataError when
    live state cannot be written, and what the user did (Ctrl-C) once that is recorded.
    """
    key = affinity_key(ask.tenant, ask.workflow, ask.conversation_id)
    live = caller.live
    with live.write():
        close_lost_checkpoints(live, key, now=caller.around.clock.now())
        turns, known = list_turns(live, key), list_checkpoints(live, key)
        span = span_due(turns, known, policy, is_forced=is_forced, alive=is_alive)
        if isinstance(span, NotDue):
            return span
        request = _request(span, policy)
        row = _row(ask, span, request, caller, policy)
        insert_checkpoint(live, row)
    outcome = _Work(ask, caller, policy, row, span).run(request)
    caller.sink.notice(_words(outcome))
    return outcome


def due_span(ask: Ask, live: LiveState, policy: CheckpointPolicy) -> Span | NotDue:
    """Say which turns the next checkpoint would cover, if one is due. Changes nothing."""
    key = affinity_key(ask.tenant, ask.workflow, ask.conversation_id)
    turns, known = list_turns(live, key), list_checkpoints(live, key)
    return span_due(turns, known, policy, is_forced=False, alive=is_alive)


def _request(span: Span, policy: CheckpointPolicy) -> Request:
    before = span.before
    return policy.prompt.fill(
        Material(
            facts=_facts_of(before),
            summary="" if before is None else before.summary or "",
            messages=transcript(span.turns),
            max_words=int(policy.max_tokens * _WORDS_PER_TOKEN),
        )
    )


def _row(
    ask: Ask, span: Span, request: Request, caller: Caller, policy: CheckpointPolicy
) -> Checkpoint:
    now = caller.around.clock.now()
    unique = uuid7(now)
    messages = [*request.opening, {"role": "user", "content": request.text}]
    return Checkpoint(
        affinity_key=affinity_key(ask.tenant, ask.workflow, ask.conversation_id),
        checkpoint_id=unique,
        state="making",
        owner=caller.live.owner,
        covers_turn_index=span.covers_turn_index,
        after_turn_index=span.after_turn_index,
        conversation_id=_conversation_of(ask.conversation_id, span, unique),
        model=model_for(
            policy,
            caller.around.prices,
            own=ask.model,
            said_by_prompt=request.model,
            input_tokens=tokens_of(",".join(json.dumps(dict(item)) for item in messages)),
            now=now,
        ),
        prompt_name=policy.prompt.name,
        prompt_version=policy.prompt.version,
        prompt_sha256=policy.prompt.sha256,
        created_at=now,
    )


class _Work:
    """One checkpoint on its way."""

    def __init__(
        self, ask: Ask, caller: Caller, policy: CheckpointPolicy, row: Checkpoint, span: Span
    ) -> None:
        self._ask = ask
        self._caller = caller
        self._live = caller.live
        self._around = caller.around
        self._sink = _Quiet(caller.sink)
        self._policy = policy
        self._row = row
        self._span = span
        self._calls: list[Finished] = []

    def run(self, request: Request) -> CheckpointOutcome:
        """Call, judge, and write what came of it."""
        try:
            judge = self._called(request)
        except BaseException:
            # Whatever the user did: the row says so, and the next turn may try again.
            with self._live.write():
                self._finish("lost", reason="interrupted")
            raise
        if isinstance(judge, _Failed):
            return self._skipped(judge.reason)
        memory = judge.memory
        after = tokens_of(judge.messages_json)
        if memory is None:
            return self._skipped(judge.problem)
        if after >= self._span.tokens_before:
            return self._skipped(
                f"the summary takes about {after} tokens, the turns {self._span.tokens_before}"
            )
        replaced = [{"facts": list(item.facts), "by": item.by} for item in memory.replaced]
        with self._live.write():
            if not self._still_stands():
                self._finish("skipped", reason="the turns changed meanwhile")
                return self._outcome("the turns changed meanwhile")
            is_there = self._finish(
                "made",
                messages_json=judge.messages_json,
                summary=memory.summary,
                facts_json=json.dumps(memory.facts, ensure_ascii=False),
                replaced_json=json.dumps(replaced, ensure_ascii=False),
                tokens_before=self._span.tokens_before,
                tokens_after=after,
            )
        if not is_there:
            return self._outcome("the conversation was deleted meanwhile")
        return self._outcome("", memory=memory, after=after)

    def _called(self, request: Request) -> "_Judge | _Failed":
        judge = _Judge(_facts_of(self._span.before), self._around.keeper, self._policy.max_tokens)
        ask = self._question(request)
        for attempt in range(1, _TRIES + 1):
            try:
                finished = self._caller.send(ask, check=judge, sink=self._sink)
            except DeniedError as error:
                return _Failed(f"refused: {error.message}")
            self._calls.append(finished)
            failure = finished.reply.failure
            if failure is None and judge.memory is not None:
                return judge
            if failure not in (FailureClass.INVALID_OUTPUT, FailureClass.OUTPUT_TRUNCATED):
                word = "no answer" if failure is None else failure.value
                return _Failed(f"the call failed: {word}")
            if attempt < _TRIES:
                self._sink.notice(f"the summary is not usable ({judge.problem}): asking once more")
                ask = self._question(request, correction=judge.problem)
        return judge

    def _question(self, request: Request, correction: str = "") -> Ask:
        ask, row, prompt = self._ask, self._row, self._policy.prompt
        words = int(self._policy.max_tokens * _WORDS_PER_TOKEN / 2)
        again = (
            f"That is not usable: {correction}. Write the whole JSON object again, with a summary "
            f"of at most {words} words and only the facts that matter most."
        )
        return Ask(
            text=again if correction else request.text,
            opening=request.opening,
            model=row.model,
            # In a governed project whoever names no model leaves it to the policy's routing.
            is_model_fixed=not self._policy.uses_own_model or row.model != ask.model,
            tenant=ask.tenant,
            workflow=ask.workflow,
            conversation_id=row.conversation_id,
            charged_to=ask.conversation_id,
            prompt_name=prompt.name,
            prompt_version=prompt.version,
            release=PromptRelease(
                sha256=prompt.sha256,
                frozen=True,
                label=None,
                canary=False,
                canary_percent=None,
                overrides=(),
            ),
            max_output_tokens=self._policy.max_output_tokens,
            temperature=request.temperature,
            schema=request.schema,
            streamed=False,
        )

    def _still_stands(self) -> bool:
        """Whether all covered turns are as they were: none was taken back or deleted."""
        key = self._row.affinity_key
        now = {turn.turn_index: turn for turn in list_turns(self._live, key)}
        return all(now.get(turn.turn_index) == turn for turn in self._span.turns)

    def _skipped(self, reason: str) -> CheckpointOutcome:
        with self._live.write():
            self._finish("skipped", reason=reason, tokens_before=self._span.tokens_before)
        return self._outcome(reason)

    def _finish(self, state: Any, **facts: Any) -> bool:
        cost_usd, cost_state = self._cost()
        return finish_checkpoint(
            self._live,
            self._row.affinity_key,
            self._row.checkpoint_id,
            state=state,
            now=self._around.clock.now(),
            model=self._model() if self._calls else None,
            cost_usd=cost_usd if state != "lost" else None,
            cost_state=cost_state if state != "lost" else "unknown",
            **facts,
        )

    def _model(self) -> str:
        """Who was asked last: a policy may have routed the call to another model."""
        return self._calls[-1].attempts[-1].requested_model if self._calls else self._row.model

    def _cost(self) -> tuple[Decimal | None, str]:
        return cost_of_attempts(each for call in self._calls for each in call.attempts)

    def _outcome(
        self, reason: str, *, memory: Memory | None = None, after: int | None = None
    ) -> CheckpointOutcome:
        cost_usd, cost_state = self._cost()
        return CheckpointOutcome(
            checkpoint_id=self._row.checkpoint_id,
            is_made=memory is not None,
            reason=reason,
            covers_turn_index=self._row.covers_turn_index,
            turn_count=len(self._span.turns),
            fact_count=0 if memory is None else len(memory.facts),
            model=self._model(),
            tokens_before=self._span.tokens_before,
            tokens_after=after,
            cost_usd=cost_usd,
            cost_state=cost_state,
        )


class _Quiet:
    """Shows the notices of the call and none of its words."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def delta(self, delta: Any) -> None:
        del delta

    def notice(self, text: str) -> None:
        self._sink.notice(f"checkpoint: {text}")


def _conversation_of(conversation_id: str, span: Span, unique: str) -> str:
    """A name of its own for the calls of one checkpoint, so that no history comes with them."""
    name = f"{conversation_id}{SUMMARY}{span.after_turn_index}-{unique[-4:]}"
    return name if is_name(name) else f"checkpoint/{unique}"


def _facts_of(checkpoint: Checkpoint | None) -> tuple[str, ...]:
    if checkpoint is None or checkpoint.facts_json is None:
        return ()
    return tuple(json.loads(checkpoint.facts_json))


def _masked(memory: Memory, keeper: Keeper) -> Memory:
    """No credential is kept in a summary either."""
    return Memory(
        summary=keeper.text(memory.summary),
        facts=tuple(keeper.text(fact) for fact in memory.facts),
        replaced=tuple(
            Replaced(facts=tuple(keeper.text(fact) for fact in item.facts), by=keeper.text(item.by))
            for item in memory.replaced
        ),
    )


def _words(outcome: CheckpointOutcome) -> str:
    if not outcome.is_made:
        return f"no checkpoint: {outcome.reason}; the conversation goes on with its whole history"
    cost = "cost unknown"
    if outcome.cost_usd is not None:
        cost = f"${outcome.cost_usd.normalize():f}"
    return (
        f"checkpoint: a summary with {counted(outcome.fact_count, 'fact')} stands for "
        f"{counted(outcome.turn_count, 'turn')}: about {outcome.tokens_after} tokens in place of "
        f"{outcome.tokens_before} ({cost})"
    )
