"""A run under policy: decided and paid for before every attempt, accounted for after it.

The order is the guarantee. In one transaction: the request is planned, its limits are checked, its
worst case is set aside, its turn begins and its attempt is announced. Then the decision and the
start of the action are on disk. Only then a connection opens. After the last byte: the end of the
action is on disk, then in one transaction the attempt is sealed and what it cost takes the place
of what was set aside.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from wai_ops.cloudflare.inference import Reply
from wai_ops.cloudflare.retry import RetryPolicy, Stop
from wai_ops.cloudflare.transport import CallTransport
from wai_ops.control.envelopes.enforce import Breach
from wai_ops.control.envelopes.purse import SharedPurse, Taken, Want
from wai_ops.control.policy.action import Verdict, VerdictWord
from wai_ops.control.routing.facts import RouteChoice
from wai_ops.control.routing.fallback import next_after
from wai_ops.core import records
from wai_ops.core.errors import DataError, DeniedError
from wai_ops.core.failures import FailureClass
from wai_ops.core.ids import uuid7
from wai_ops.core.money import CostState
from wai_ops.core.records import AttemptRecord
from wai_ops.runtime.governed import (
    Governance,
    GovernedPlan,
    breach_of,
    budgets_of,
    conversation_budget,
    plan,
    worst_of,
)
from wai_ops.runtime.governed_gate import RunGate
from wai_ops.runtime.governed_refusal import Refused, shortage_breach
from wai_ops.runtime.governed_result import RunGoverned
from wai_ops.runtime.governed_told import cache_notice, told
from wai_ops.runtime.plan import Prepared, Service, Surroundings, prepare
from wai_ops.runtime.request import Ask
from wai_ops.runtime.run import Finished, Instead, Run, Sink, Step
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import Shortage, settle
from wai_ops.state.turn_facts import set_turn_model, set_turn_tier

_EXACT = frozenset({CostState.METERED.value, CostState.CONFIRMED.value, CostState.NONE.value})
"""The states in which a cost is what was charged, and no guess."""


class GovernedRun(Run):
    """One execution under policy."""

    _plan: GovernedPlan
    _desk: RunGate

    def __init__(
        self,
        service: Service,
        around: Surroundings,
        live: LiveState,
        sink: Sink,
        check: Callable[[Reply], None] | None,
        *,
        governance: Governance,
        purse: SharedPurse | None = None,
    ) -> None:
        """Nothing happens yet."""
        super().__init__(service, around, live, sink, check)
        self._governance = governance
        self._purse = purse or SharedPurse(live, around.clock, wait_s=governance.wait_s)
        self._wanted: Want | None = None
        self._breach: Breach | None = None
        self._held: dict[str, Decimal] = {}
        """Attempt -> what was set aside for it."""
        self._charged: dict[str, Decimal | None] = {}
        self._would_refuse: list[str] = []

    def execute(self, ask: Ask) -> Finished:
        """Send it as far as policy lets it go. Raises Refused."""
        finished = super().execute(ask)
        finished.governed = self._told(finished)
        if notice := cache_notice(self._plan.limits, self._live, finished.prepared):
            self._sink.notice(notice)
        return finished

    # Before anything is sent

    def _open(self, ask: Ask) -> tuple[Prepared, AttemptRecord]:
        found = self._plan = plan(self._governance, ask, self._service, self._around, self._live)
        assert self._governance.gate is not None, "without a gate nothing is sent"
        self._desk = RunGate(
            self._governance.gate, found, justification=self._governance.justification
        )
        if not found.verdict.permits:
            self._desk.deny(found.prepared)
        if not found.is_observed:
            self._service = replace(self._service, retry=self._retry(self._service.retry))
            if found.no_route is not None:
                self._desk.refuse_route(found.prepared, found.no_route)
            if found.output_breach is not None:
                self._desk.refuse(found.prepared, found.output_breach)
        self._say_plan(found)

        def want() -> Want | None:
            # Planned inside the transaction, so that no other process takes the same turn.
            self._prepared = prepare(found.ask, self._service, self._around, self._live)
            return self._want(self._prepared)

        def begin() -> AttemptRecord:
            self._reserve(self._prepared)
            session = self._prepared.session
            tier = found.action.risk_tier.value
            set_turn_tier(self._live, session.affinity_key, self._prepared.turn_index, tier)
            return self._announce_wanted(self._prepared, 1)

        taken = self._purse.take_in_time(want, begin, self._say_waiting)
        if not isinstance(taken, Taken):
            self._desk.refuse(self._prepared, self._breach_of(taken, self._prepared))
        self._note_taken(taken, self._prepared)
        return self._prepared, taken.value

    def _want(self, prepared: Prepared) -> Want | None:
        """What an attempt sets aside; None: it would pass a limit, which `_breach` then says."""
        worst = worst_of(prepared, self._live)
        self._breach = breach_of(
            self._governance, self._plan.limits, prepared, worst, self._at_risk_usd()
        )
        if self._breach is not None and (self._breach.is_binding or not self._plan.is_observed):
            return None
        now = self._around.clock.now()
        self._wanted = Want(
            reservation_id=uuid7(now),
            run_id=prepared.run_id,
            amount_usd=worst or Decimal(0),
            budgets=budgets_of(self._governance, self._plan.limits, prepared.ask, now),
        )
        return self._wanted

    def _announce_wanted(self, prepared: Prepared, attempt: int) -> AttemptRecord:
        assert self._wanted is not None
        return self._announce(prepared, attempt=attempt, attempt_id=self._wanted.reservation_id)

    def _note_taken(self, taken: Taken[AttemptRecord], prepared: Prepared) -> None:
        assert self._wanted is not None
        self._held[taken.value.attempt_id] = self._wanted.amount_usd
        if taken.short is not None:  # counted though there was no room: the policy only observes
            self._breach = self._breach_of(taken.short, prepared)

    def _breach_of(self, short: Shortage | None, prepared: Prepared) -> Breach:
        if short is None:
            assert self._breach is not None
            return self._breach
        return shortage_breach(
            short,
            self._plan.limits,
            own_key=conversation_budget(prepared.ask),
            places=self._governance.budget_places,
        )

    def _retry(self, retry: RetryPolicy) -> RetryPolicy:
        """The retry policy within the envelope: attempts, and the money that they may risk."""
        envelope = self._plan.limits.envelope
        most, money = envelope.max_retries, retry.max_cost_usd
        attempts = retry.max_attempts if most is None else min(retry.max_attempts, most + 1)
        if envelope.per_turn_usd is not None:
            money = min(money, envelope.per_turn_usd)
        return replace(retry, max_attempts=attempts, max_cost_usd=money)

    # One attempt

    def _attempt(
        self, prepared: Prepared, announced: AttemptRecord, transport: CallTransport
    ) -> tuple[Reply, AttemptRecord]:
        try:
            verdict = self._desk.permit(
                prepared,
                announced,
                breach=self._breach,
                reserved_usd=self._held[announced.attempt_id]
                if self._is_money_limited(prepared)
                else None,
            )
        except BaseException as error:
            self._unsent(prepared, announced, error)
            raise
        if verdict.word is not VerdictWord.ALLOW:
            self._say_observed(verdict)
        return super()._attempt(prepared, announced, transport)

    def _unsent(self, prepared: Prepared, announced: AttemptRecord, error: BaseException) -> None:
        """Take back what was announced: nothing of it was sent."""
        is_denied = isinstance(error, DeniedError)
        record = replace(
            announced,
            finished_at=self._around.clock.now(),
            error_type=(FailureClass.LOCAL_POLICY if is_denied else FailureClass.CANCELLED).value,
            error_message="refused" if is_denied else "not sent: no decision could be recorded",
            cost_state=CostState.NONE.value,
            cost_usd=Decimal(0),
            neurons=Decimal(0),
        )
        with self._live.write():
            self._live.seal(record.attempt_id, records.to_json(record))
            self._settle(record)
            self._end(prepared, "failed", None, record)

    def _seal(
        self, prepared: Prepared, reply: Reply, record: AttemptRecord, *, final: bool
    ) -> None:
        unrecorded: DataError | None = None
        try:
            self._desk.end(reply, record)
        except DataError as error:
            unrecorded = error
        super()._seal(prepared, reply, record, final=final)
        if unrecorded is not None:
            raise DataError(
                f"the call was made but its end could not be recorded: {unrecorded.message}",
                hint=f"{unrecorded.hint}; its decision stays listed as outcome unknown",
                where=unrecorded.where,
            ) from unrecorded

    def _settle(self, record: AttemptRecord) -> None:
        charged = record.cost_usd if record.cost_state in _EXACT else None
        self._charged[record.attempt_id] = charged
        over = settle(self._live, record.attempt_id, charged, now=self._around.clock.now())
        if over:
            self._sink.notice(
                f"the call cost ${over.normalize():f} more than the most that was thought possible"
            )

    def _at_risk_usd(self) -> Decimal:
        """What this turn's attempts have cost, or may have."""
        total = Decimal(0)
        for attempt_id, held in self._held.items():
            charged = self._charged.get(attempt_id)
            total += held if charged is None else charged
        return total

    # What follows

    def _next(
        self, prepared: Prepared, record: AttemptRecord, reply: Reply, elapsed_s: float
    ) -> Step:
        step = super()._next(prepared, record, reply, elapsed_s)
        policy, choice = self._plan.policy, self._desk.choice
        if not isinstance(step, Stop) or reply.failure is None or reply.interrupt is not None:
            return step
        if policy is None or policy.routing is None or choice is None:
            return step
        found = next_after(policy.routing, choice, reply.failure, delivered=reply.delivered)
        if not isinstance(found, RouteChoice):
            return step
        if (reason := self._ceiling(prepared, record, elapsed_s)) is not None:
            return Stop(reason)
        self._desk.choice = found
        return Instead(
            self._moved(prepared, found.model), f"asking {found.model} instead ({found.rule})"
        )

    def _ceiling(self, prepared: Prepared, record: AttemptRecord, elapsed_s: float) -> str | None:
        """What keeps a further attempt from being made, whichever model it would go to."""
        retry, limits = self._service.retry, self._plan.limits
        most = limits.envelope.max_retries
        if most is not None and record.attempt > most:
            place = limits.place("max_retries")
            return f"{place.rule} allows {most} further attempts ({place.where})"
        if elapsed_s > retry.max_elapsed_s:
            return f"the ceiling of {retry.max_elapsed_s:g} s is reached"
        at_risk = self._at_risk(prepared, record)
        if at_risk is None or at_risk > retry.max_cost_usd:
            return f"what may have been billed reaches the ceiling of ${retry.max_cost_usd:f}"
        return None

    def _moved(self, prepared: Prepared, model: str) -> Prepared:
        """The same turn for another model."""
        ask = replace(prepared.ask, model=model)
        other = prepare(ask, self._service, self._around, self._live)
        other.run_id, other.turn_index = prepared.run_id, prepared.turn_index
        other.session, other.affinity = prepared.session, prepared.affinity
        other.started_at, other.open_turns = prepared.started_at, prepared.open_turns
        return other

    def _announce_next(self, prepared: Prepared, attempt: int) -> AttemptRecord | Stop:
        def announce() -> AttemptRecord:
            key = prepared.session.affinity_key
            set_turn_model(self._live, key, prepared.turn_index, prepared.ask.model)
            return self._announce_wanted(prepared, attempt)

        taken = self._purse.take_in_time(lambda: self._want(prepared), announce, self._say_waiting)
        if isinstance(taken, Taken):
            self._note_taken(taken, prepared)
            return taken.value
        breach = self._breach_of(taken, prepared)
        try:
            self._desk.refuse(prepared, breach)
        except Refused as error:
            return Stop(f"{breach.reason} (decision {error.decision_id})")

    # What the user hears

    def _say_plan(self, found: GovernedPlan) -> None:
        if found.lowered_from is not None and found.ask.release is not None:
            # A prompt says how long its answers may be; a default says nothing worth a line.
            place = found.limits.place("max_output_tokens")
            self._sink.notice(
                f"at most {found.ask.max_output_tokens} output tokens instead of "
                f"{found.lowered_from}: {place.rule} ({place.where})"
            )
        if found.loosened:
            self._sink.notice(
                f"the prompt's envelope is looser than the policy, which holds: "
                f"{', '.join(found.loosened)}"
            )

    def _say_waiting(self, short: Shortage) -> None:
        self._sink.notice(
            f"calls in flight hold the money of {short.balance.key}: waiting up to "
            f"{self._governance.wait_s:g} s for them"
        )

    def _say_observed(self, verdict: Verdict) -> None:
        text = f"{verdict.rule} ({verdict.where}): {verdict.reason}"
        self._would_refuse.append(text)
        if not self._governance.is_observing_told:
            self._governance.is_observing_told = True
            self._sink.notice(f"sent because the policy only observes; else refused by {text}")

    def _is_money_limited(self, prepared: Prepared) -> bool:
        budgets = budgets_of(self._governance, self._plan.limits, prepared.ask, prepared.started_at)
        return self._plan.limits.envelope.has_money or bool(budgets)

    def _told(self, finished: Finished) -> RunGoverned:
        return told(
            self._plan,
            self._desk.choice,
            finished.prepared,
            self._live,
            decisions=self._desk.decisions,
            held=self._held if self._is_money_limited(finished.prepared) else None,
            charged=self._charged,
            would_refuse=self._would_refuse,
            budgets=budgets_of(
                self._governance,
                self._plan.limits,
                finished.prepared.ask,
                finished.prepared.started_at,
            ),
        )
