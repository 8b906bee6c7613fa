"""Outcomes from files and from the gateway's feedback: new ones are recorded, known ones not again.

The same file may be imported any number of times. A line that says when is known when that very
fact is recorded; one that does not, when it says what the conversation's latest outcome says.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.conversation import (
    AmbiguousError,
    ConversationKey,
    find_conversations,
    resolve,
)
from wai_ops.observe.reports.outcome_lines import BadLine, OutcomeLine
from wai_ops.observe.reports.outcomes import Outcome, OutcomeFact, OutcomeSource, append_outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeImport:
    """What an import did, or with `is_dry_run` would do."""

    line_count: int
    recorded_count: int
    unchanged_count: int
    """Lines whose fact is recorded already, or stands in the file twice."""
    unknown_count: int
    """Recorded outcomes of conversations that have no call in the ledger yet."""
    malformed_count: int
    is_dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Facts to record, and the lines that cannot be used."""

    facts: Sequence[OutcomeFact]
    bad: Sequence[BadLine]
    line_count: int
    unchanged_count: int
    unknown_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A row of `outcomes_held.sql`: one recorded outcome."""

    tenant: str
    workflow: str
    conversation_id: str
    outcome: str
    value_usd: Decimal | None
    note: str | None
    recorded_at: datetime
    is_current: bool


_Said = tuple[str, Decimal | None, str | None]


def plan_import(
    store: Store,
    lines: Iterable[OutcomeLine | BadLine],
    *,
    default_tenant: str,
    default_workflow: str,
    now: datetime,
    redact: Callable[[str], str],
) -> Plan:
    """Compare the lines with the ledger, which holds everything recorded so far. Writes nothing."""
    read = list(lines)
    good = [line for line in read if isinstance(line, OutcomeLine)]
    bad = [line for line in read if isinstance(line, BadLine)]
    found = find_conversations(store, (line.wanted.conversation_id for line in good))
    facts: list[OutcomeFact] = []
    is_known: dict[ConversationKey, bool] = {}
    seen = _Seen(store, {line.wanted.conversation_id for line in good})
    for line in good:
        try:
            target = resolve(
                line.wanted, found, default_tenant=default_tenant, default_workflow=default_workflow
            )
        except AmbiguousError as error:
            bad.append(BadLine(line=line.line, reason=error.message))
            continue
        is_known[target.key] = target.is_known
        fact = OutcomeFact(
            key=target.key,
            outcome=line.outcome,
            value_usd=line.value_usd,
            note=None if line.note is None else redact(line.note),
            source=OutcomeSource.IMPORTED,
            recorded_at=now if line.at is None else line.at,
        )
        if seen.is_new(fact, has_time=line.at is not None):
            facts.append(fact)
    return Plan(
        facts=facts,
        bad=sorted(bad, key=lambda line: line.line),
        line_count=len(read),
        unchanged_count=len(good) - len(facts) - (len(bad) - (len(read) - len(good))),
        unknown_count=sum(not is_known[fact.key] for fact in facts),
    )


class _Seen:
    """What is recorded, with what the import adds to it line by line."""

    def __init__(self, store: Store, ids: set[str]) -> None:
        self._facts: set[tuple[ConversationKey, datetime, _Said]] = set()
        self._latest: dict[ConversationKey, tuple[datetime, _Said]] = {}
        for held in store.query(_Held, "outcomes_held", ids=sorted(ids)):
            key = ConversationKey(held.tenant, held.workflow, held.conversation_id)
            said = (held.outcome, held.value_usd, held.note)
            self._facts.add((key, held.recorded_at, said))
            if held.is_current:
                self._latest[key] = (held.recorded_at, said)

    def is_new(self, fact: OutcomeFact, *, has_time: bool) -> bool:
        """Say whether the fact is to be recorded; it counts as recorded from then on."""
        said = (fact.outcome.value, fact.value_usd, fact.note)
        latest = self._latest.get(fact.key)
        if has_time:
            if (fact.key, fact.recorded_at, said) in self._facts:
                return False
        elif latest is not None and latest[1] == said:
            return False
        self._facts.add((fact.key, fact.recorded_at, said))
        if latest is None or fact.recorded_at >= latest[0]:
            self._latest[fact.key] = (fact.recorded_at, said)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feedback:
    """A row of `outcomes_feedback.sql`: what users said of a conversation's last rated call."""

    tenant: str
    workflow: str
    conversation_id: str
    feedback: int
    given_at: datetime


def plan_feedback(store: Store, window: Window) -> Plan:
    """Outcomes from the gateway's feedback: 1 is resolved, -1 failed. Writes nothing.

    Only conversations that nobody recorded or imported an outcome for; a recorded one stands.
    """
    rows = store.query(_Feedback, "outcomes_feedback", since=window.since, until=window.until)
    facts = list(_feedback_facts(rows))
    seen = _Seen(store, {row.conversation_id for row in rows})
    new = [fact for fact in facts if seen.is_new(fact, has_time=False)]
    return Plan(
        facts=new,
        bad=(),
        line_count=len(rows),
        unchanged_count=len(rows) - len(new),
        unknown_count=0,
    )


def _feedback_facts(rows: Iterable[_Feedback]) -> Iterator[OutcomeFact]:
    for row in rows:
        yield OutcomeFact(
            key=ConversationKey(row.tenant, row.workflow, row.conversation_id),
            outcome=Outcome.RESOLVED if row.feedback > 0 else Outcome.FAILED,
            source=OutcomeSource.FEEDBACK,
            recorded_at=row.given_at,
        )


def carry_out(state_dir: Path, clock: Clock, plan: Plan, *, is_dry_run: bool) -> OutcomeImport:
    """Record the plan's facts, all or none. Raises DataError; then nothing is recorded."""
    if plan.facts and not is_dry_run:
        append_outcomes(state_dir, clock, plan.facts)
    return OutcomeImport(
        line_count=plan.line_count,
        recorded_count=len(plan.facts),
        unchanged_count=plan.unchanged_count,
        unknown_count=plan.unknown_count,
        malformed_count=len(plan.bad),
        is_dry_run=is_dry_run,
    )
