"""Making the ledger anew: from the archive, from kept log rows, and from what the old one can tell.

The old file stays until the new one stands.
"""

from dataclasses import dataclass
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError
from wai_ops.observe.ledger.database import (
    DamagedError,
    connected,
    empty_scratch,
    make_ledger_file,
    refuse_foreign,
    sync_folder,
    translated,
)
from wai_ops.observe.ledger.fold import FoldResult, fold_into
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import (
    archive_dir,
    ledger_path,
    raw_dir,
    scratch_dir,
    wal_path,
)
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.restore import dump, restore_dumped
from wai_ops.observe.ledger.rollup import refresh_rollups
from wai_ops.observe.ledger.status import Held, read_held


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildResult:
    """What the archive gave. `kept` is where a damaged ledger was put."""

    folded: FoldResult
    log_row_count: int
    """Log rows of gateways: from the parts that were kept of them, and from the old ledger."""
    kept: Path | None
    notes: tuple[str, ...] = ()
    """What could not be brought back, in words."""


def rebuild(state_dir: Path, clock: Clock, progress: Progress = ignore_progress) -> RebuildResult:
    """Load the whole archive and the outbox into a new ledger, then put it in the old one's place.

    Raises DataError, and leaves the old ledger, when the archive gives fewer rows than it holds,
    and when what lies there is not ours.
    """
    path = ledger_path(state_dir)
    made = scratch_dir(state_dir) / "rebuilt.duckdb"
    with ledger_lock(state_dir, clock, progress=progress), translated(path):
        empty_scratch(state_dir)
        held = _held(state_dir, path)
        dumped = dump(path, state_dir) if held is not None and path.exists() else None
        is_lost = held is None or (path.exists() and dumped is None)
        make_ledger_file(made, state_dir, clock)
        with connected(made, state_dir) as connection:
            folded = fold_into(connection, state_dir, clock, progress)
            log_rows = folded.restored_count + restore_dumped(connection, dumped or {})
            refresh_rollups(connection, clock)
        if held is not None:
            _refuse_less(folded, log_rows, held, state_dir)
        return RebuildResult(
            folded=folded,
            log_row_count=log_rows,
            kept=_swap(made, path, is_damaged=is_lost),
            notes=(_NOT_BROUGHT_BACK,) if is_lost else (),
        )


_NOT_BROUGHT_BACK = (
    "the old ledger could not be read: log rows that were imported from files are to be imported "
    "again; what was pulled came from the kept rows, and bodies come with the next pull"
)


def _refuse_less(folded: FoldResult, log_rows: int, held: Held, state_dir: Path) -> None:
    rows = folded.loaded.row_count
    if rows < held.row_count:
        raise DataError(
            f"the archive gives only {rows} of the {held.row_count} rows in the ledger, "
            "which was left as it was",
            hint=f"bring back the files that are missing from {archive_dir(state_dir)}",
        )
    if log_rows < held.gateway_row_count:
        raise DataError(
            f"only {log_rows} of the {held.gateway_row_count} log rows in the ledger came back; "
            "it was left as it was",
            hint=f"look for damaged files in {raw_dir(state_dir)}",
        )


def _held(state_dir: Path, path: Path) -> Held | None:
    """Count the old ledger's rows; None: it is damaged. Raises DataError for any other trouble."""
    if not path.exists():
        return Held()
    refuse_foreign(path)
    try:
        return read_held(state_dir, path)
    except DamagedError:
        return None


def _swap(made: Path, path: Path, *, is_damaged: bool) -> Path | None:
    kept = _free_name(path) if is_damaged else None
    wal = wal_path(path)
    if wal.exists():  # it must never be replayed into the new file
        wal.rename(made.with_name("old.wal") if kept is None else wal_path(kept))
    if kept is not None:
        path.rename(kept)
    made.replace(path)
    sync_folder(path.parent)
    return kept


def _free_name(path: Path) -> Path:
    number = 1
    while (name := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return name
