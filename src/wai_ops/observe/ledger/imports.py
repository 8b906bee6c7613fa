"""What the ledger keeps of imports: files known by their content, bad lines, tool calls, bodies.

Call all of it inside the transaction that loads the rows, so that a file is known exactly when its
rows are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.database import run, run_count
from wai_ops.observe.ledger.unpacking import readable


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """What was imported before: contents by hash, and the etags of objects by their address."""

    hashes: Mapping[str, str]
    """SHA-256 -> the name that it was imported under first."""
    etags: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One row of `ingest_file`."""

    sha256: str
    path: str
    format: str
    size_bytes: int
    row_count: int
    inserted_count: int
    duplicate_count: int
    quarantined_count: int
    etag: str | None


def read_known(connection: duckdb.DuckDBPyConnection) -> KnownFiles:
    """Every file that was imported so far."""
    rows = run(connection, "imports/known_files")
    hashes: dict[str, str] = {}
    for sha256, path, _ in rows:
        hashes.setdefault(sha256, path)
    return KnownFiles(hashes, frozenset((path, etag) for _, path, etag in rows if etag))


def append_file(connection: duckdb.DuckDBPyConnection, record: FileRecord, clock: Clock) -> None:
    """Note that a file was imported."""
    values = {name: getattr(record, name) for name in record.__slots__}
    run(connection, "imports/file_insert", **values, at_utc=_now(clock))


@dataclass(frozen=True, slots=True)
class FileCounts:
    """What one file of a batch brings."""

    row_count: int = 0
    inserted_count: int = 0
    duplicate_count: int = 0


def count_files(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path]
) -> dict[Path, FileCounts]:
    """Say what each file of gateway rows would bring. Call before they are loaded."""
    with readable(connection, files) as names:
        rows = run(connection, "imports/files_count", files=list(names))
    return {files[place - 1]: FileCounts(*counts) for place, *counts in rows}


def append_quarantine(
    connection: duckdb.DuckDBPyConnection,
    origin: str,
    bad: Sequence[tuple[int, str, str]],
    clock: Clock,
) -> None:
    """Keep lines (number, reason, content) that could not be read."""
    if bad:
        run(
            connection,
            "imports/quarantine_insert",
            origin=origin,
            lines=[line for line, _, _ in bad],
            reasons=[reason for _, reason, _ in bad],
            contents=[content for _, _, content in bad],
            at_utc=_now(clock),
        )


def rename_quarantine(
    connection: duckdb.DuckDBPyConnection, spool: Path, name: str, lines: Sequence[int]
) -> int:
    """Rows of a spool that the ledger refused get the name and line that they came from.

    `lines` is the file's line of each spooled one; empty where the numbers are the file's own.
    Return how many they are.
    """
    return run_count(
        connection, "imports/quarantine_rename", spool=str(spool), origin=name, lines=list(lines)
    )


def append_tool_calls(connection: duckdb.DuckDBPyConnection, spool: Path) -> int:
    """Load tool calls from a spool; those of the same id are replaced. Return how many."""
    run(connection, "imports/tool_calls_stage", spool=str(spool))
    run(connection, "imports/tool_calls_replace")
    return run_count(connection, "imports/tool_calls_insert")


def append_bodies(connection: duckdb.DuckDBPyConnection, spool: Path, clock: Clock) -> int:
    """Load redacted bodies from a spool; return how many."""
    return run_count(connection, "imports/bodies_insert", spool=str(spool), at_utc=_now(clock))


def append_removed(
    connection: duckdb.DuckDBPyConnection, origin: str, removed: Mapping[str, int], clock: Clock
) -> None:
    """Note what redaction removed, by kind."""
    if removed:
        run(
            connection,
            "imports/redaction_insert",
            origin=origin,
            kinds=list(removed),
            counts=list(removed.values()),
            at_utc=_now(clock),
        )


def _now(clock: Clock) -> datetime:
    return clock.now().astimezone(UTC).replace(tzinfo=None)
