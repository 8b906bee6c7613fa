"""How conversations ended: facts that somebody recorded, folded from live state like all others.

An outcome is never inferred. The latest of a conversation counts; the older ones stay to be seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any

from wai_ops.core.clock import Clock, to_utc_text
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import one_line
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.conversation import ConversationKey
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import find_session

OUTCOME = "outcome"
"""The kind of these facts in the outbox."""
_MOST_USD = Decimal(1_000_000)
_PLACES = 12
_LONGEST_NOTE = 2000


class Outcome(StrEnum):
    """How a conversation ended."""

    RESOLVED = "resolved"
    FAILED = "failed"
    ABANDONED = "abandoned"


class OutcomeSource(StrEnum):
    """Who said so."""

    RECORDED = "recorded"
    IMPORTED = "imported"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeFact:
    """One recorded outcome. `note` has been redacted already."""

    key: ConversationKey
    outcome: Outcome
    value_usd: Decimal | None = None
    note: str | None = None
    source: OutcomeSource
    recorded_at: datetime

    def to_payload(self) -> dict[str, Any]:
        """The fact as the outbox keeps it: decimals and times as text."""
        return {
            "tenant": self.key.tenant,
            "workflow": self.key.workflow,
            "conversation_id": self.key.conversation_id,
            "outcome": self.outcome.value,
            "value_usd": None if self.value_usd is None else format(self.value_usd, "f"),
            "note": self.note,
            "source": self.source.value,
            "at": to_utc_text(self.recorded_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRecorded:
    """What `outcomes record` wrote."""

    tenant: str
    workflow: str
    conversation_id: str
    outcome: str
    value_usd: Decimal | None
    note: str | None
    source: str
    recorded_at: datetime

    @classmethod
    def of(cls, fact: OutcomeFact) -> "OutcomeRecorded":
        """The record for `--json`."""
        return cls(
            tenant=fact.key.tenant,
            workflow=fact.key.workflow,
            conversation_id=fact.key.conversation_id,
            outcome=fact.outcome.value,
            value_usd=fact.value_usd,
            note=fact.note,
            source=fact.source.value,
            recorded_at=fact.recorded_at,
        )


def parse_outcome(text: str) -> Outcome:
    """Read an outcome. Raises UsageError."""
    try:
        return Outcome(text)
    except ValueError:
        choices = ", ".join(Outcome)
        raise UsageError(
            f"{one_line(text, 60)!r} is no outcome", hint=f"one of: {choices}"
        ) from None


def parse_value(text: str) -> Decimal:
    """Read what a resolution is worth in dollars, exactly. Raises UsageError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or not 0 <= value < _MOST_USD:
        raise UsageError(
            f"the value {one_line(text, 60)!r} is not an amount in dollars",
            hint="give a plain number from 0 to below 1000000, such as 12.50",
        )
    if value != round(value, _PLACES):
        raise UsageError(f"the value {one_line(text, 60)!r} has more than {_PLACES} decimal places")
    return value


def check_note(text: str) -> str:
    """Return the note. Raises UsageError when it is too long to be one."""
    if len(text) > _LONGEST_NOTE:
        raise UsageError(f"the note is longer than {_LONGEST_NOTE} characters")
    return text


def append_outcomes(state_dir: Path, clock: Clock, facts: Iterable[OutcomeFact]) -> int:
    """Put facts into the outbox, all of them or none; return how many. Raises DataError."""
    count = 0
    with LiveState.open(state_dir, clock=clock) as live, live.write():
        for fact in facts:
            live.append(OUTCOME, fact.to_payload())
            count += 1
    return count


def has_session(state_dir: Path, clock: Clock, key: ConversationKey) -> bool:
    """Say whether `wai run` on this machine knows the conversation. Raises DataError."""
    if not LiveState.exists(state_dir):
        return False
    with LiveState.open(state_dir, clock=clock) as live:
        return find_session(live, str(key)) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """One recorded outcome, and whether it is the one that counts."""

    tenant: str = col("Tenant")
    workflow: str = col("Workflow")
    conversation_id: str = col("Conversation")
    outcome: str = col("Outcome")
    value_usd: Decimal | None = col("Value", Unit.USD)
    recorded_at: datetime = col("Recorded", Unit.TIME)
    source: str = col("Source")
    is_current: bool = col("Counts", Unit.FLAG)
    is_known: bool = col("Has calls", Unit.FLAG)
    note: str | None = col("Note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which outcomes are listed; None is everything."""

    tenant: str | None = None
    workflow: str | None = None
    outcome: Outcome | None = None


def list_outcomes(store: Store, window: Window, chosen: Chosen) -> Table[OutcomeRow]:
    """Every outcome recorded in the window, the latest first. Raises DataError."""
    rows = store.query(
        OutcomeRow,
        "outcomes",
        since=window.since,
        until=window.until,
        tenant=chosen.tenant,
        workflow=chosen.workflow,
        outcome=None if chosen.outcome is None else chosen.outcome.value,
    )
    current = [row for row in rows if row.is_current]
    counts = ", ".join(
        f"{sum(row.outcome == outcome for row in current):,} {outcome}" for outcome in Outcome
    )
    notes = [f"recorded {window.describe()}: {len(rows):,} outcomes; {counts} count"]
    if unknown := sum(not row.is_known for row in current):
        notes.append(
            f"{unknown:,} of them are of conversations that have no call in the ledger yet"
        )
    return Table(row_type=OutcomeRow, rows=rows, title="Outcomes", notes=tuple(notes))
