"""Folding live state into the ledger, exactly once whatever is killed whenever.

Three stores, three steps, in this order and under the ledger's lock:

    1  outbox -> archive    the rows as a Parquet file, complete, on disk, then renamed
    2  archive -> ledger    rows and mark in one DuckDB transaction
    3  outbox               the archived rows are dropped

The invariant: *every acknowledged row is in the outbox or in the archive, and the ledger is what
the archive gives up to its marks.* A row is known by (outbox id, sequence number). Then

- killed before 1 is complete: the scratch file is no archive file; the outbox still has the rows;
- killed between 1 and 2: the archive is ahead of the mark; the next fold loads from the mark on,
  and archives only rows beyond what is archived;
- killed inside 2: DuckDB rolls back rows and mark together;
- killed between 2 and 3: the outbox repeats rows that are archived; they are compared, found to be
  the same, and dropped.

So nothing is lost and nothing doubled, and a ledger that is deleted comes back whole: no mark
means loading the archive from its beginning.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError
from wai_ops.observe.ledger.archive import archive_rows
from wai_ops.observe.ledger.database import open_ledger_file, translated
from wai_ops.observe.ledger.load import Loaded, load_archive
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.merge import merge_archive
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, Step, ignore_progress
from wai_ops.observe.ledger.restore import restore_raw
from wai_ops.state.live import LiveState

CHUNK_ROWS = 50_000
"""Rows of one archive file and one transaction: what a fold holds in memory at a time."""
_DROP_ROWS = 10_000
"""Rows dropped in one step, so that a run that wants to write waits milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """What one fold did."""

    reconciled_count: int
    """Attempts of dead processes that were sealed as "outcome unknown"."""
    archived_count: int
    loaded: Loaded
    restored_count: int = 0
    """Log rows that came back from the parts that pulls keep, after the ledger was made anew."""
    in_flight_count: int
    """Attempts that are still running, and so in no number of the ledger yet."""
    merged_file_count: int = 0
    warnings: tuple[str, ...] = field(default=())


def fold(state_dir: Path, clock: Clock, progress: Progress = ignore_progress) -> FoldResult:
    """Bring the ledger up to date with live state. Raises DataError; then nothing is lost."""
    with (
        ledger_lock(state_dir, clock, progress=progress),
        open_ledger_file(state_dir, clock) as connection,
    ):
        return fold_into(connection, state_dir, clock, progress)


def fold_into(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, clock: Clock, progress: Progress
) -> FoldResult:
    """Fold into a ledger that is open for writing. Call under the lock."""
    reconciled = archived = in_flight = 0
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=clock) as live:
            reconciled = live.reconcile()
            progress(Step.RECONCILED, rows=reconciled)
            archived, through = _drain(connection, state_dir, live, progress)
            loaded = load_archive(connection, state_dir, clock, progress)
            _drop(live, through)
            progress(Step.DROPPED, rows=archived)
            _, in_flight = live.counts()
    else:
        loaded = load_archive(connection, state_dir, clock, progress)
    with translated(ledger_path(state_dir)):
        restored = restore_raw(connection, state_dir)
    warnings: tuple[str, ...] = ()
    merged = 0
    try:
        merged = merge_archive(connection, state_dir, progress)
    except DataError as error:  # housekeeping: everything is folded, and the parts are still there
        warnings = (f"the archive was not tidied: {error.message}",)
    return FoldResult(
        reconciled_count=reconciled,
        archived_count=archived,
        loaded=loaded,
        restored_count=restored,
        in_flight_count=in_flight,
        merged_file_count=merged,
        warnings=warnings,
    )


def _drain(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, live: LiveState, progress: Progress
) -> tuple[int, int]:
    """Archive the outbox; return how many rows were new and the last sequence number."""
    outbox_id = live.outbox_id
    archived = through = 0
    while rows := list(live.sealed(after=through, limit=CHUNK_ROWS)):
        archived += archive_rows(connection, state_dir, outbox_id, rows, progress)
        through = rows[-1].seq
    return archived, through


def _drop(live: LiveState, through: int) -> None:
    first = next((row.seq for row in live.sealed(after=0, limit=1)), through + 1)
    while first <= through:
        live.drop_through(min(first + _DROP_ROWS - 1, through))
        first += _DROP_ROWS
