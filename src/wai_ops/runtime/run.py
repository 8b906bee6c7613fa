"""One run: affinity, request, attempts with their retries, record, result.

The order is the guarantee. Before the first byte leaves, the turn is reserved, the session touched
and the attempt announced, in one transaction: if that cannot be written, nothing is sent. After
the last byte the attempt is sealed and the turn closed, in one transaction. An interruption is
recorded like any other end, and only then raised again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from wai_ops._version import __version__
from wai_ops.cloudflare.decode import Delta
from wai_ops.cloudflare.inference import Reply, perform
from wai_ops.cloudflare.retry import Again, Failed, Stop, decide, parse_retry_after
from wai_ops.cloudflare.transport import CallTransport
from wai_ops.core import records
from wai_ops.core.errors import DataError
from wai_ops.core.failures import FailureClass
from wai_ops.core.ids import uuid7
from wai_ops.core.money import CostState
from wai_ops.core.records import AttemptRecord
from wai_ops.runtime.plan import Prepared, Service, Surroundings, headers_for, prepare
from wai_ops.runtime.record import COMPLETE, complete, finished_after
from wai_ops.runtime.request import Ask, reply_message
from wai_ops.runtime.turn_cost import cost_of_attempts
from wai_ops.state.conversations import TurnState, begin_turn, end_turn
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import find_session, save_session

if TYPE_CHECKING:
    from wai_ops.runtime.governed import Governance
    from wai_ops.runtime.governed_result import RunGoverned


class Sink(Protocol):
    """Where a run shows what happens while it happens."""

    def delta(self, delta: Delta) -> None:
        """Take a piece of the answer."""
        ...

    def notice(self, text: str) -> None:
        """Take a message about the run: a retry, a rotation."""
        ...


@dataclass(slots=True, kw_only=True)
class Finished:
    """How a run ended. `attempts` are complete records; `reply` is the last one's."""

    prepared: Prepared
    attempts: list[AttemptRecord]
    reply: Reply
    stop_reason: str | None
    total_ms: float
    governed: "RunGoverned | None" = None
    """What was decided, set aside and charged; None: no policy holds here."""


@dataclass(frozen=True, slots=True)
class Instead:
    """Send again at once, on another model."""

    prepared: Prepared
    reason: str


Step = Again | Stop | Instead
"""What follows an attempt."""


def execute(
    ask: Ask,
    service: Service,
    around: Surroundings,
    live: LiveState,
    sink: Sink,
    *,
    check: Callable[[Reply], None] | None = None,
    governance: "Governance | None" = None,
) -> Finished:
    """Run it. Records every attempt; raises only what the user did (Ctrl-C, a closed pipe).

    `check` may judge a complete answer (a schema) by setting the reply's failure.
    Raises DataError, with nothing sent, when live state cannot be written, and DeniedError, with
    nothing sent either, when `governance` refuses.
    """
    if governance is None:
        return Run(service, around, live, sink, check).execute(ask)
    from wai_ops.runtime.governed_run import GovernedRun

    return GovernedRun(service, around, live, sink, check, governance=governance).execute(ask)


class Run:
    """The moving parts of one execution."""

    def __init__(
        self,
        service: Service,
        around: Surroundings,
        live: LiveState,
        sink: Sink,
        check: Callable[[Reply], None] | None,
    ) -> None:
        """Nothing happens yet."""
        self._service = service
        self._around = around
        self._live = live
        self._sink = sink
        self._check = check
        self._attempts: list[AttemptRecord] = []
        self._masked_in_reply = 0

    def execute(self, ask: Ask) -> Finished:
        """Send it, again where that may help, and record every attempt."""
        clock = self._around.clock
        started = clock.monotonic()
        prepared, announced = self._open(ask)
        self._say_opened(prepared)
        with CallTransport(self._service.base_url, clock) as transport:
            while True:
                reply, record = self._attempt(prepared, announced, transport)
                step = self._next(prepared, record, reply, clock.monotonic() - started)
                self._seal(prepared, reply, record, final=isinstance(step, Stop))
                if reply.interrupt is not None:
                    raise reply.interrupt
                gone_on = step if isinstance(step, Stop) else self._go_on(prepared, record, step)
                if isinstance(gone_on, Stop):
                    return Finished(
                        prepared=prepared,
                        attempts=self._attempts,
                        reply=reply,
                        stop_reason=gone_on.reason if reply.failure else None,
                        total_ms=(clock.monotonic() - started) * 1000,
                    )
                prepared, announced = gone_on

    def _open(self, ask: Ask) -> tuple[Prepared, AttemptRecord]:
        """Take the conversation's next turn and announce its first attempt."""
        with self._live.write():
            # Planned inside the transaction, so that no other process takes the same turn.
            prepared = prepare(ask, self._service, self._around, self._live)
            self._reserve(prepared)
            return prepared, self._announce(prepared, attempt=1)

    def _say_opened(self, prepared: Prepared) -> None:
        ask = prepared.ask
        if prepared.open_turns:
            self._sink.notice(
                f"{prepared.open_turns} turn(s) of this conversation are still running; "
                "their answers are not part of this request"
            )
        if prepared.is_reopened:
            self._sink.notice(
                f"conversation {ask.conversation_id} goes on with {ask.prompt_name}@"
                f"{ask.prompt_version}, which begins otherwise: its cached prefix is lost"
            )
        self._say_masked(prepared.masked_count)

    def _reserve(self, prepared: Prepared) -> None:
        session = prepared.session
        known = find_session(self._live, session.affinity_key)
        begins = known is None or known.epoch != session.epoch
        if known is not None and begins:
            self._sink.notice(
                f"affinity session rotated to epoch {session.epoch}: {session.reason}"
            )
        save_session(self._live, session, begins=begins)
        prepared.turn_index = begin_turn(
            self._live,
            session.affinity_key,
            run_id=prepared.run_id,
            model=prepared.ask.model,
            epoch=session.epoch,
            tools_json=prepared.tools_json,
            messages_json=prepared.messages_json,
            masked_from=prepared.masked_from,
            opening_chars=prepared.opening_chars,
            checkpoint_id=prepared.checkpoint_id,
            now=prepared.started_at,
        )

    def _announce(
        self, prepared: Prepared, *, attempt: int, attempt_id: str | None = None
    ) -> AttemptRecord:
        ask, service = prepared.ask, self._service
        now = self._around.clock.now()
        record = AttemptRecord(
            attempt_id=attempt_id or uuid7(now),
            run_id=prepared.run_id,
            started_at=now,
            tenant=ask.tenant,
            workflow=ask.workflow,
            conversation_id=ask.conversation_id,
            turn_index=prepared.turn_index,
            attempt=attempt,
            prompt_name=ask.prompt_name,
            prompt_version=ask.prompt_version,
            requested_model=ask.model,
            target=service.target,
            endpoint=prepared.call.url.removeprefix(service.base_url),
            gateway_id=service.gateway_id,
            streamed=ask.streamed,
            max_output_tokens=ask.max_output_tokens,
            affinity_epoch=prepared.session.epoch,
            cost_state=CostState.UNKNOWN.value,
            request_sha256=hashlib.sha256(prepared.call.body).hexdigest(),
            wai_version=__version__,
        )
        self._live.announce(record.attempt_id, records.to_json(record))
        return record

    def _seal(
        self, prepared: Prepared, reply: Reply, record: AttemptRecord, *, final: bool
    ) -> None:
        try:
            with self._live.write():
                self._live.seal(record.attempt_id, records.to_json(record))
                self._settle(record)
                if final:
                    self._close_turn(prepared, reply, record)
        except DataError as error:
            raise DataError(
                f"the call was made but its outcome could not be recorded: {error.message}",
                hint=f"{error.hint}; the call stays listed as outcome unknown",
            ) from error
        self._attempts.append(record)
        self._say_masked(self._masked_in_reply)

    def _settle(self, record: AttemptRecord) -> None:
        """What else has to happen in the transaction that seals an attempt: nothing."""

    def _say_masked(self, count: int) -> None:
        if count:
            what = "credential was" if count == 1 else "credentials were"
            self._sink.notice(
                f"{count} {what} masked in the stored conversation; "
                "later turns send the mask instead"
            )

    def _attempt(
        self, prepared: Prepared, announced: AttemptRecord, transport: CallTransport
    ) -> tuple[Reply, AttemptRecord]:
        service = self._service
        headers = headers_for(prepared, service, attempt=announced.attempt)
        reply = perform(
            replace(prepared.call, headers=headers),
            token=service.token,
            transport=transport,
            limits=service.limits,
            clock=self._around.clock,
            on_delta=self._sink.delta,
        )
        if reply.failure is None and self._check is not None:
            self._check(reply)
        if reply.failure is None and reply.answer.finish_reason in {"length", "model_length"}:
            reply.failure = FailureClass.OUTPUT_TRUNCATED
        served = self._served_model(prepared, reply)
        pricing = prepared.pricing
        if served is not None and served != prepared.ask.model:
            rates = self._around.prices.rates(served, announced.started_at)
            pricing = replace(pricing, rates=rates or pricing.rates)
        record = complete(
            announced,
            reply,
            finished_at=finished_after(announced.started_at, reply.duration_ms),
            served_model=served,
            pricing=pricing,
            expected=prepared.expected,
        )
        return reply, self._around.keeper.record(record)

    def _served_model(self, prepared: Prepared, reply: Reply) -> str | None:
        """Who answered, as the reply says; by the book where it says nothing we know."""
        if reply.status is None or reply.status >= 300:
            return None
        prices, at = self._around.prices, prepared.started_at
        for named in (reply.headers.get("cf-aig-model"), reply.answer.served_model):
            if named is not None and prices.model(named, at) is not None:
                return named
        return prices.served_model(prepared.ask.model, at)

    def _next(
        self, prepared: Prepared, record: AttemptRecord, reply: Reply, elapsed_s: float
    ) -> Step:
        if reply.failure is None or reply.interrupt is not None:
            return Stop("done")
        return decide(
            self._service.retry,
            Failed(
                failure=reply.failure,
                delivered=reply.delivered,
                attempt=record.attempt,
                elapsed_s=elapsed_s,
                at_risk_usd=self._at_risk(prepared, record),
                next_cost_usd=prepared.pricing.worst_case.cost_usd,
                retry_after_s=parse_retry_after(
                    reply.headers.get("retry-after"), now=self._around.clock.now()
                ),
            ),
            jitter=self._around.rng.random(),
        )

    def _at_risk(self, prepared: Prepared, last: AttemptRecord) -> Decimal | None:
        """Worst case of what the attempts so far may have cost; None when that is unbounded."""
        total = Decimal(0)
        for record in (*self._attempts, last):
            if record.cost_state == CostState.NONE:
                continue
            worst = prepared.pricing.worst_case.cost_usd
            if worst is None:
                return None
            total += max(worst, record.cost_usd or Decimal(0))
        return total

    def _go_on(
        self, prepared: Prepared, record: AttemptRecord, step: Again | Instead
    ) -> tuple[Prepared, AttemptRecord] | Stop:
        """Pause if need be, and announce the next attempt; or close the turn and say why not."""
        billed = "" if record.cost_state == CostState.NONE else "; it may have been billed"
        failed = f"attempt {record.attempt} failed ({record.error_type}{billed}): "
        try:
            if isinstance(step, Again):
                self._sink.notice(f"{failed}trying again in {step.delay_s:.1f} s")
                self._around.clock.sleep(step.delay_s)
            else:
                self._sink.notice(f"{failed}{step.reason}")
                prepared = step.prepared
            announced = self._announce_next(prepared, record.attempt + 1)
        except BaseException:
            with self._live.write():
                self._end(prepared, "failed", None, record)
            raise
        if isinstance(announced, Stop):
            with self._live.write():
                self._end(prepared, "failed", None, record)
            return announced
        return prepared, announced

    def _announce_next(self, prepared: Prepared, attempt: int) -> AttemptRecord | Stop:
        """Announce a further attempt; Stop: there must be none."""
        with self._live.write():
            return self._announce(prepared, attempt=attempt)

    def _close_turn(self, prepared: Prepared, reply: Reply, record: AttemptRecord) -> None:
        """Keep what arrived. Only a complete answer becomes part of the history."""
        answer = reply.answer
        state: TurnState = "failed"
        reply_json = None
        if answer.text or answer.reasoning or answer.tool_calls:
            state = "done" if reply.failure in COMPLETE else "partial"
            masked = self._around.keeper.count
            reply_json = self._around.keeper.json_text(
                reply_message(answer.text, answer.reasoning, tool_call_dicts(reply))
            )
            self._masked_in_reply = self._around.keeper.count - masked
        self._end(prepared, state, reply_json, record)

    def _end(
        self, prepared: Prepared, state: TurnState, reply_json: str | None, record: AttemptRecord
    ) -> None:
        attempts = {each.attempt_id: each for each in (*self._attempts, record)}
        cost_usd, cost_state = cost_of_attempts(attempts.values())
        end_turn(
            self._live,
            prepared.session.affinity_key,
            prepared.turn_index,
            state=state,
            reply_json=reply_json,
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            cached_input_tokens=record.cached_input_tokens,
            cost_usd=cost_usd,
            cost_state=cost_state,
            now=record.finished_at or record.started_at,
        )


def tool_call_dicts(reply: Reply) -> list[dict[str, Any]]:
    """The tool calls of a reply in OpenAI's shape."""
    return [
        {
            "id": call.id or f"call_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(reply.answer.tool_calls)
    ]
