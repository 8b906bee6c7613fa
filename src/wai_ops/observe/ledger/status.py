"""What the ledger holds and what waits for it, without folding anything."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.table import Table, Unit, col
from wai_ops.observe.ledger.archive import all_files
from wai_ops.observe.ledger.database import (
    connected,
    refuse_foreign,
    run,
    schema_version,
    translated,
)
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import ledger_path, scratch_dir
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.store import to_aware
from wai_ops.state.live import LiveState

SHOW_QUARANTINE = 'wai ledger sql "select seq, reason from quarantine"'


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatus:
    """One row. None means that there is nothing to know it from yet."""

    path: str = col("Ledger")
    ledger_bytes: int = col("Size", Unit.BYTES)
    attempt_count: int = col("Attempts", Unit.COUNT)
    session_event_count: int = col("Session events", Unit.COUNT)
    outcome_count: int = col("Outcomes", Unit.COUNT)
    tool_call_count: int = col("Tool calls", Unit.COUNT)
    decision_count: int = col("Decisions", Unit.COUNT)
    other_event_count: int = col("Other facts", Unit.COUNT)
    gateway_row_count: int = col("Gateway rows", Unit.COUNT)
    quarantined_count: int = col("Quarantined", Unit.COUNT)
    folded_through: int | None = col("Folded through", Unit.COUNT)
    folded_at: datetime | None = col("Last fold with news", Unit.TIME)
    pending_count: int = col("Waiting in the outbox", Unit.COUNT)
    in_flight_count: int = col("In flight", Unit.COUNT)
    archive_file_count: int = col("Archive files", Unit.COUNT)
    archive_bytes: int = col("Archive size", Unit.BYTES)


@dataclass(frozen=True, slots=True)
class Held:
    """What the database itself says; the fields are the columns of `store/status.sql`."""

    attempt_count: int = 0
    session_event_count: int = 0
    outcome_count: int = 0
    tool_call_count: int = 0
    decision_count: int = 0
    other_event_count: int = 0
    quarantined_count: int = 0
    gateway_row_count: int = 0
    """Log rows of gateways, matched or not."""
    folded_through: int | None = None
    folded_at: datetime | None = None

    @property
    def row_count(self) -> int:
        """The facts of every kind that came through the outbox."""
        return (
            self.attempt_count
            + self.session_event_count
            + self.outcome_count
            + self.tool_call_count
            + self.decision_count
            + self.other_event_count
            + self.quarantined_count
        )


def read_status(
    state_dir: Path, clock: Clock, progress: Progress = ignore_progress
) -> Table[LedgerStatus]:
    """Look at ledger, archive and outbox. Raises DataError."""
    path = ledger_path(state_dir)
    outbox_id, pending, in_flight = "", 0, 0
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=clock) as live:
            outbox_id = live.outbox_id
            pending, in_flight = live.counts()
    held, size = Held(), 0
    if path.exists():
        with ledger_lock(state_dir, clock, progress=progress):
            held = read_held(state_dir, path, outbox_id)
            size = path.stat().st_size
    files = all_files(state_dir)
    row = LedgerStatus(
        path=str(path),
        ledger_bytes=size,
        attempt_count=held.attempt_count,
        session_event_count=held.session_event_count,
        outcome_count=held.outcome_count,
        tool_call_count=held.tool_call_count,
        decision_count=held.decision_count,
        other_event_count=held.other_event_count,
        gateway_row_count=held.gateway_row_count,
        quarantined_count=held.quarantined_count,
        folded_through=held.folded_through,
        folded_at=held.folded_at,
        pending_count=pending,
        in_flight_count=in_flight,
        archive_file_count=len(files),
        archive_bytes=sum(file.path.stat().st_size for file in files),
    )
    notes = []
    if not path.exists():
        notes.append("there is no ledger yet: the first report or `wai ledger fold` makes it")
    if held.quarantined_count:
        notes.append(f"{held.quarantined_count} facts could not be read; see: {SHOW_QUARANTINE}")
    return Table(row_type=LedgerStatus, rows=[row], title="Ledger", notes=tuple(notes))


def read_held(state_dir: Path, path: Path, outbox_id: str = "") -> Held:
    """Count what a ledger file holds. Call under the lock. Raises DataError."""
    with translated(path):
        refuse_foreign(path)
        scratch_dir(state_dir).mkdir(mode=0o700, exist_ok=True)
        with connected(path, state_dir, read_only=True) as connection:
            # A ledger of the first version is only looked at here, and not yet migrated.
            name = "store/status" if schema_version(connection, path) > 1 else "store/status_1"
            row = run(connection, name, outbox_id=outbox_id)[0]
    return Held(*map(to_aware, row))
