"""Making the ledger anew from the archive. The old file stays until the new one stands."""

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
from wai_ops.observe.ledger.paths import archive_dir, ledger_path, scratch_dir, wal_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.status import read_held


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildResult:
    """What the archive gave. `kept` is where a damaged ledger was put."""

    folded: FoldResult
    kept: Path | None


def rebuild(state_dir: Path, clock: Clock, progress: Progress = ignore_progress) -> RebuildResult:
    """Load the whole archive and the outbox into a new ledger, then put it in the old one's place.

    Raises DataError, and leaves the old ledger, when the archive gives fewer rows than it holds,
    and when what lies there is not ours.
    """
    path = ledger_path(state_dir)
    made = scratch_dir(state_dir) / "rebuilt.duckdb"
    with ledger_lock(state_dir, clock, progress=progress), translated(path):
        empty_scratch(state_dir)
        held = _rows_held(state_dir, path)
        make_ledger_file(made, state_dir, clock)
        with connected(made, state_dir) as connection:
            folded = fold_into(connection, state_dir, clock, progress)
        rows = folded.loaded.row_count
        if held is not None and rows < held:
            raise DataError(
                f"the archive gives only {rows} of the {held} rows in the ledger, "
                "which was left as it was",
                hint=f"bring back the files that are missing from {archive_dir(state_dir)}",
            )
        return RebuildResult(folded=folded, kept=_swap(made, path, is_damaged=held is None))


def _rows_held(state_dir: Path, path: Path) -> int | None:
    """Count the old ledger's rows; None: it is damaged. Raises DataError for any other trouble."""
    if not path.exists():
        return 0
    refuse_foreign(path)
    try:
        return read_held(state_dir, path).row_count
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
