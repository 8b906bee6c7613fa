"""The archive: the outbox's rows as Parquet files, the source that every ledger is built from.

A file is named `outbox-<outbox id>-<first seq>-<last seq>.parquet` and holds every row that the
outbox had in that range. It appears under its name only when it is complete and on disk, and never
changes after that. Merging writes one file for a range before it removes the parts, so a kill in
between leaves files whose range lies within another's: those are known and left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import msgspec

from wai_ops.core.errors import DataError
from wai_ops.observe.ledger.database import run, run_count, sync_file, sync_folder, translated
from wai_ops.observe.ledger.paths import archive_dir, scratch_dir
from wai_ops.observe.ledger.progress import Progress, Step

_NAME = re.compile(r"outbox-(?P<id>[A-Za-z0-9.-]+)-(?P<first>\d+)-(?P<last>\d+)\.parquet")
DAMAGED_HINT = (
    "if it is damaged, restore it from a copy; the ledger was left as it was, and still answers "
    "what it had loaded"
)
_LINES = 2000
"""Rows encoded at a time: enough to be fast, few enough to stay small."""
_LINE_BYTES = 16 * 1024 * 1024
_WORST_ESCAPE = 7
"""No character of a payload needs more bytes in the spool, the rest of its line included."""


class Row(Protocol):
    """One outbox row."""

    @property
    def seq(self) -> int:
        """Its place in the order."""
        ...

    @property
    def kind(self) -> str:
        """What its payload is."""
        ...

    @property
    def payload(self) -> str:
        """JSON text."""
        ...


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file, and the rows that it vouches for: `first` to `last`, both included."""

    path: Path
    outbox_id: str
    first: int
    last: int

    def holds(self, other: "ArchiveFile") -> bool:
        """Say whether every row of `other` is in this file too."""
        return (
            self.outbox_id == other.outbox_id
            and self.first <= other.first
            and other.last <= self.last
        )


def all_files(state_dir: Path) -> list[ArchiveFile]:
    """Every archive file by outbox and range, the widest first where ranges begin alike."""
    folder = archive_dir(state_dir)
    found = [
        ArchiveFile(path, match["id"], int(match["first"]), int(match["last"]))
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and path.is_file()
    ]
    return sorted(found, key=lambda file: (file.outbox_id, file.first, -file.last))


def live_files(files: Iterable[ArchiveFile]) -> list[ArchiveFile]:
    """Those of `all_files` whose rows are in no other file."""
    kept: list[ArchiveFile] = []
    for file in files:
        if not any(wider.holds(file) for wider in kept):
            kept.append(file)
    return kept


def archived_through(files: Iterable[ArchiveFile], outbox_id: str) -> int:
    """The last sequence number of an outbox that is archived; 0: none."""
    return max((file.last for file in files if file.outbox_id == outbox_id), default=0)


def archive_rows(
    connection: duckdb.DuckDBPyConnection,
    state_dir: Path,
    outbox_id: str,
    rows: Sequence[Row],
    progress: Progress,
) -> int:
    """Make sure that these outbox rows, ascending, are archived; return how many were not yet.

    Rows of a range that is archived already are compared. They agree after a kill between
    archiving and dropping. They differ when the live state went back in time (restored from a
    copy, or a power cut took its last commits) and gave the same numbers to new facts: those are
    archived under a successor of the outbox id, so that neither fact is taken for the other.
    """
    files = live_files(all_files(state_dir))
    last = archived_through(files, outbox_id)
    fresh = [row for row in rows if row.seq > last]
    count = len(fresh)
    if known := [row for row in rows if row.seq <= last]:
        archived = _rows_between(connection, files, outbox_id, known[0].seq, known[-1].seq)
        if differing := [row for row in known if archived.get(row.seq) != (row.kind, row.payload)]:
            count += archive_rows(connection, state_dir, successor(outbox_id), differing, progress)
    if fresh:
        _write_file(connection, state_dir, outbox_id, fresh, progress)
    return count


def successor(outbox_id: str) -> str:
    """The id for facts whose numbers were already used: `<id>.r1`, `<id>.r2`, ..."""
    base, _, number = outbox_id.partition(".r")
    return f"{base}.r{int(number or 0) + 1}"


def publish(made: Path, state_dir: Path, name: str) -> Path:
    """Give a complete file in the scratch folder its name in the archive, for good."""
    folder = archive_dir(state_dir)
    folder.mkdir(mode=0o700, exist_ok=True)
    made.chmod(0o600)
    sync_file(made)
    path = folder / name
    made.rename(path)
    sync_folder(folder)
    return path


def _write_file(
    connection: duckdb.DuckDBPyConnection,
    state_dir: Path,
    outbox_id: str,
    rows: Sequence[Row],
    progress: Progress,
) -> None:
    spool = scratch_dir(state_dir) / "outbox.ndjson"
    made = scratch_dir(state_dir) / "archive.parquet"
    encoder = msgspec.json.Encoder()
    with translated(spool), spool.open("wb") as file:
        for start in range(0, len(rows), _LINES):
            file.write(encoder.encode_lines(rows[start : start + _LINES]))
    progress(Step.SPOOLED, rows=len(rows))
    with translated(archive_dir(state_dir)):
        # DuckDB's buffers grow with this number, so it is no larger than it must be.
        large = [row for row in rows if len(row.payload) > _LINE_BYTES // _WORST_ESCAPE]
        longest = max([_LINE_BYTES, *(len(encoder.encode(row)) for row in large)])
        written = run_count(
            connection, "archive/write", spool=str(spool), longest=longest, file=str(made)
        )
        if written != len(rows):  # never drop from the outbox what the archive does not hold
            raise DataError(f"only {written} of {len(rows)} rows reached {made}")
        publish(made, state_dir, f"outbox-{outbox_id}-{rows[0].seq}-{rows[-1].seq}.parquet")
        spool.unlink()
    progress(Step.ARCHIVED, rows=len(rows))


def _rows_between(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[ArchiveFile],
    outbox_id: str,
    first: int,
    last: int,
) -> dict[int, tuple[str, str]]:
    wanted = [
        file
        for file in files
        if file.outbox_id == outbox_id and file.first <= last and first <= file.last
    ]
    rows: dict[int, tuple[str, str]] = {}
    for file in wanted:
        with translated(file.path, hint=DAMAGED_HINT):
            found = run(
                connection, "archive/rows_between", files=[str(file.path)], first=first, last=last
            )
        rows |= {seq: (kind, payload) for seq, kind, payload in found}
    return rows
