"""Keeping the archive at few files: neighbours of like size become one, as they grow in number.

A file is rewritten about as often as the archive has orders of magnitude, so the work stays small
against the writing itself. The merged file is in place and on disk before its parts are removed.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import duckdb

from wai_ops.core.errors import DataError
from wai_ops.observe.ledger.archive import (
    DAMAGED_HINT,
    ArchiveFile,
    all_files,
    live_files,
    publish,
)
from wai_ops.observe.ledger.database import run_count, translated
from wai_ops.observe.ledger.paths import scratch_dir
from wai_ops.observe.ledger.progress import Progress, Step

FEWEST = 8
"""So many neighbours of like size are worth merging."""
LIKE_SIZE = 4
"""An older file joins when it is at most so many times as large as the newer ones together."""
LARGEST_BYTES = 64 * 1024 * 1024
"""A file that has grown beyond this is left alone."""


def merge_archive(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, progress: Progress
) -> int:
    """Merge where it is worth it; return how many files went. Raises DataError."""
    files = all_files(state_dir)
    kept = live_files(files)
    removed = _remove([file for file in files if file not in kept])
    for _, of_one_outbox in groupby(kept, key=lambda file: file.outbox_id):
        parts = worth_merging([(file, file.path.stat().st_size) for file in of_one_outbox])
        if parts:
            _merge(connection, state_dir, parts)
            progress(Step.MERGED, rows=len(parts))
            removed += _remove(parts)
    return removed


def worth_merging(files: Sequence[tuple[ArchiveFile, int]]) -> list[ArchiveFile]:
    """Pick the newest neighbours (file, bytes; ascending) of like size, or none when too few."""
    picked: list[ArchiveFile] = []
    total = 0
    for file, size in reversed(files):
        if size > LARGEST_BYTES or (picked and size > LIKE_SIZE * total):
            break
        picked.insert(0, file)
        total += size
    return picked if len(picked) >= FEWEST else []


def _merge(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, parts: Sequence[ArchiveFile]
) -> None:
    made = scratch_dir(state_dir) / "merged.parquet"
    first, last = parts[0], parts[-1]
    paths = [str(part.path) for part in parts]
    with translated(first.path.parent, hint=DAMAGED_HINT):
        expected = run_count(connection, "archive/count", files=paths)
        written = run_count(connection, "archive/merge", files=paths, file=str(made))
        if written != expected:
            raise DataError(f"merging the archive gave {written} rows instead of {expected}")
        publish(made, state_dir, f"outbox-{first.outbox_id}-{first.first}-{last.last}.parquet")


def _remove(files: Sequence[ArchiveFile]) -> int:
    for file in files:
        with translated(file.path):
            file.path.unlink(missing_ok=True)
    return len(files)
