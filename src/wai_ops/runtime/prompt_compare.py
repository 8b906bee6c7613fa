"""Running a comparison: cases side by side, every call kept as soon as it ends, within a ceiling.

A case is one piece of work: both versions, one right after the other, then its judges. So what
changes with the time of day changes for both.
"""

import queue
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.cloudflare.decode import Delta
from wai_ops.core.ids import uuid7
from wai_ops.core.money import CostState
from wai_ops.core.records import AttemptRecord
from wai_ops.core.text import one_line
from wai_ops.prompts.dataset import Assertion, Kind
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.compare_checks import Checked, check, is_fatal, is_refused, is_settled
from wai_ops.runtime.compare_journal import Answer, Journal
from wai_ops.runtime.compare_plan import ComparePlan, Planned, PlannedCase, Planner
from wai_ops.runtime.explain import error_of
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.purse import Purse
from wai_ops.runtime.request import compact_json
from wai_ops.runtime.run import Finished, tool_call_dicts
from wai_ops.state.live import LiveState

if TYPE_CHECKING:
    from wai_ops.runtime.governed import Governance

Progress = Callable[[int, int, Decimal], None]
"""Cases done, cases in all, dollars spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One version on one case. `passed` None: there is no answer, or it could not be judged."""

    answer: Answer | None
    checks: tuple[Checked, ...]
    passed: bool | None
    judge_cost_usd: Decimal


@dataclass(slots=True, kw_only=True)
class Ran:
    """How far a comparison came. `pairs` has a place for every case of the plan."""

    pairs: dict[str, tuple[Judged, Judged]] = field(default_factory=dict)
    sent_count: int = 0
    """Calls of this time; the others were kept from before."""
    is_out_of_money: bool = False
    is_interrupted: bool = False


def journal_path(state_dir: Path, plan: ComparePlan) -> Path:
    """Where the answers of a comparison are kept."""
    return state_dir / "compare" / f"{plan.id}.jsonl"


def remaining_usd(plan: ComparePlan, planner: Planner, journal: Journal) -> tuple[Decimal, int]:
    """About the most that is still to be spent, and how many calls that is."""
    total, count = Decimal(0), 0
    for planned in plan.cases:
        for side in planned.sides:
            kept = _kept(journal, side.key)
            if kept is None:
                total += side.worst_usd
                count += 1
            if kept is not None and _needs_no_judge(plan, planned, kept):
                continue
            for assertion in planned.case.assertions:
                if assertion.kind is not Kind.JUDGE:
                    continue
                judge = plan.judges[assertion.value]
                if kept is not None:
                    asked = planner.judge(judge, planned.case, assertion, kept.text, side.key)
                    if _kept(journal, asked.key) is not None:
                        continue
                total += planner.judge_worst_usd(judge, planned, assertion)
                count += 1
    return total, count


def _needs_no_judge(plan: ComparePlan, planned: PlannedCase, answer: Answer) -> bool:
    failed = (item.passed is False for item in _free_checks(plan, planned, answer))
    return is_refused(answer) or any(failed)


def _free_checks(plan: ComparePlan, planned: PlannedCase, answer: Answer) -> list[Checked]:
    """Everything that costs nothing to judge."""
    return [
        check(
            assertion,
            answer,
            schema=plan.schemas.get((planned.case.id, place)),
            verdict_of=lambda _: None,
        )
        for place, assertion in enumerate(planned.case.assertions)
        if assertion.kind is not Kind.JUDGE
    ]


def _kept(journal: Journal, key: str) -> Answer | None:
    """An answer of before that need not be asked for again."""
    answer = journal.answers.get(key)
    return answer if answer is not None and is_settled(answer) else None


@dataclass(kw_only=True)
class Comparison:
    """The moving parts of one comparison."""

    plan: ComparePlan
    planner: Planner
    service: Service
    around: Surroundings
    state_dir: Path
    journal: Journal
    purse: Purse
    progress: Progress
    govern: "Callable[[LiveState, Keeper], Governance] | None" = None
    """Makes what governs the calls of one thread; None: the project is not governed."""

    def run(self, parallel: int) -> Ran:
        """Ask everything that is not known yet, `parallel` cases at a time.

        After Ctrl-C nothing new is sent, what is in flight is waited for, and the result says so.
        Raises AccessError and the like when no call can succeed.
        """
        self._ran = Ran()
        self._guard = threading.Lock()
        self._errors: list[BaseException] = []
        self._work: queue.SimpleQueue[PlannedCase] = queue.SimpleQueue()
        for planned in self.plan.cases:
            self._work.put(planned)
        count = min(parallel, len(self.plan.cases))
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        threads = [threading.Thread(target=self._worker, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        self._wait(threads)
        if self._errors:
            raise self._errors[0]
        return self._ran

    def _wait(self, threads: Sequence[threading.Thread]) -> None:
        # Not by joining: a join that Ctrl-C breaks takes a running thread for a finished one.
        waiting = len(threads)
        while waiting:
            try:
                self._ended.get()
                waiting -= 1
            except KeyboardInterrupt:
                if self._ran.is_interrupted:
                    raise
                self._ran.is_interrupted = True
                self.purse.shut()
        for thread in threads:
            thread.join()

    def _worker(self, number: int) -> None:
        known = self.around.keeper
        around = replace(
            self.around,
            rng=random.Random(number),  # noqa: S311 - the jitter of retries
            keeper=Keeper(secrets=known.secrets, key=known.key, pii=known.pii),
        )
        try:
            with LiveState.open(self.state_dir, clock=around.clock) as live:
                caller = Caller(
                    service=self.service,
                    around=around,
                    live=live,
                    sink=_Silent(),
                    governance=None if self.govern is None else self.govern(live, around.keeper),
                )
                while not self._errors:
                    try:
                        planned = self._work.get_nowait()
                    except queue.Empty:
                        return
                    self._case(planned, caller)
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            self.purse.shut()
            with self._guard:
                self._errors.append(error)
        finally:
            self._ended.put(None)

    def _case(self, planned: PlannedCase, caller: Caller) -> None:
        answers = [self._answer(side, caller) for side in planned.sides]
        a, b = (
            self._judged(planned, side, answer, caller)
            for side, answer in zip(planned.sides, answers, strict=True)
        )
        with self._guard:
            self._ran.pairs[planned.case.id] = (a, b)
            done = len(self._ran.pairs)
            self.progress(done, len(self.plan.cases), self.purse.spent_usd)

    def _judged(
        self,
        planned: PlannedCase,
        side: Planned,
        answer: Answer | None,
        caller: Caller,
    ) -> Judged:
        if answer is None or not is_settled(answer):
            return Judged(answer=answer, checks=(), passed=None, judge_cost_usd=Decimal(0))
        if is_refused(answer):
            reason = f"{answer.failure}: {answer.error_message or ''}"
            failed = Checked(assertion="answers", passed=False, reason=one_line(reason))
            return Judged(answer=answer, checks=(failed,), passed=False, judge_cost_usd=Decimal(0))
        spent = Decimal(0)

        def verdict_of(assertion: Assertion) -> Answer | None:
            nonlocal spent
            judge = self.plan.judges[assertion.value]
            asked = self.planner.judge(judge, planned.case, assertion, answer.text, side.key)
            verdict = self._answer(asked, caller)
            spent += (verdict.cost_usd or Decimal(0)) if verdict else Decimal(0)
            return verdict

        # Judges come last, and are not paid for a case that has failed without them.
        checks = _free_checks(self.plan, planned, answer)
        if all(item.passed is not False for item in checks):
            judges = (item for item in planned.case.assertions if item.kind is Kind.JUDGE)
            checks += [check(item, answer, schema=None, verdict_of=verdict_of) for item in judges]
        outcomes = {item.passed for item in checks}
        passed = False if False in outcomes else (None if None in outcomes else True)
        return Judged(answer=answer, checks=tuple(checks), passed=passed, judge_cost_usd=spent)

    def _answer(self, planned: Planned, caller: Caller) -> Answer | None:
        """The kept answer, or a new one; None when there is no money for it."""
        kept = _kept(self.journal, planned.key)
        if kept is not None:
            return kept
        if not self.purse.reserve(planned.worst_usd):
            with self._guard:
                self._ran.is_out_of_money = not self._ran.is_interrupted and not self._errors
            self.purse.shut()
            return None
        # From here on the worst case counts as spent until somebody knows better.
        charged = planned.worst_usd
        try:
            call = self.journal.begin(planned.key, planned.worst_usd)
            conversation = f"cmp-{uuid7(caller.around.clock.now())}"
            ask = replace(planned.ask, conversation_id=conversation)
            schema = None
            if ask.schema is not None:
                schema = self.planner.schema_check(ask.schema, "output_schema")
            finished = caller.send(ask, check=schema)
            answer = _answer_of(planned, finished, caller.around)
            self.journal.end(call, answer)
            charged = answer.charged_usd
        finally:
            self.purse.settle(planned.worst_usd, charged)
        with self._guard:
            self._ran.sent_count += 1
        if is_fatal(answer):
            raise _error_of(finished)
        return answer


def _answer_of(planned: Planned, finished: Finished, around: Surroundings) -> Answer:
    record = finished.attempts[-1]
    costs = [_known_cost(item) for item in finished.attempts]
    cost = None if None in costs else sum((c for c in costs if c is not None), Decimal(0))
    charged = sum((_charged(item, planned.worst_usd) for item in finished.attempts), Decimal(0))
    return Answer(
        key=planned.key,
        text=around.keeper.text(_text_of(finished)),
        failure=record.error_type,
        error_message=record.error_message,
        cost_usd=cost,
        charged_usd=charged,
        duration_ms=record.duration_ms,
        ttft_ms=record.ttft_ms,
        input_tokens=record.input_tokens,
        cached_input_tokens=record.cached_input_tokens,
        output_tokens=record.output_tokens,
        gateway_cache_hit=record.gateway_cache_hit is True,
        run_id=record.run_id,
        conversation_id=record.conversation_id,
    )


def _text_of(finished: Finished) -> str:
    """What `wai run` prints: the text, and tool calls, one JSON object a line."""
    calls = [compact_json(call["function"]) for call in tool_call_dicts(finished.reply)]
    text = finished.reply.answer.text
    return "\n".join([text, *calls] if text else calls)


def _known_cost(record: AttemptRecord) -> Decimal | None:
    return Decimal(0) if record.cost_state == CostState.NONE else record.cost_usd


def _charged(record: AttemptRecord, worst_usd: Decimal) -> Decimal:
    """What counts against the ceiling: only a metered cost is known to be all of it."""
    if record.cost_state == CostState.NONE:
        return Decimal(0)
    is_known = record.cost_state in (CostState.METERED, CostState.CONFIRMED)
    return record.cost_usd if is_known and record.cost_usd is not None else worst_usd


def _error_of(finished: Finished) -> Exception:
    reply = finished.reply
    assert reply.failure is not None
    return error_of(
        reply.failure,
        message=finished.attempts[-1].error_message,
        code=reply.error_code,
        status=reply.status,
        attempts=len(finished.attempts),
        stop_reason=finished.stop_reason,
        address=finished.prepared.call.url,
    )


class _Silent:
    """Shows nothing: many runs at once would only mix their words."""

    def delta(self, delta: Delta) -> None:
        """Take a piece of an answer."""

    def notice(self, text: str) -> None:
        """Take a message about a run."""


def patient(service: Service) -> Service:
    """The same service, where nothing is sent again that may have been billed.

    Then one reservation is enough for a call, however often it is tried.
    """
    return replace(service, retry=replace(service.retry, max_cost_usd=Decimal(0)))
