"""Pulled log rows, kept as Parquet beside the ledger, so that it can be made anew without asking.

A part is what one batch brought: the gateway's side of its rows, redacted and priced, as they were
loaded and before they were matched. It is written, complete and under its name, before the batch is
committed: a kill in between leaves rows that the next pull brings again, and loading a row twice is
the same as loading it once.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb

from wai_ops.observe.ledger.database import run, run_count, sync_file, sync_folder, translated
from wai_ops.observe.ledger.paths import raw_dir, scratch_dir

_NAME = re.compile(r"rows-(?P<since>\d{20})-(?P<until>\d{20})-[0-9a-f]{32}\.parquet")
_STAMP = "%Y%m%d%H%M%S%f"
MOST_PARTS = 64
"""Small parts are made one when there are more."""
_SMALL_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RawPart:
    """One file, and the times (created_at, naive UTC) of the first and the last of its rows."""

    path: Path
    since: datetime
    until: datetime


def raw_parts(state_dir: Path) -> list[RawPart]:
    """Every part, by time."""
    folder = raw_dir(state_dir)
    found = [
        RawPart(path, _at(match["since"]), _at(match["until"]))
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and path.is_file()
    ]
    return sorted(found, key=lambda part: (part.since, part.path.name))


def keep_raw(connection: duckdb.DuckDBPyConnection, state_dir: Path, boundary: int) -> Path | None:
    """Write the gateway rows after `boundary` as a part. Before they are matched."""
    since, until, count = run(connection, "raw/span", boundary=boundary)[0]
    if not count:
        return None
    made = scratch_dir(state_dir) / "raw.parquet"
    run(connection, "raw/set_filled", boundary=boundary)
    run(connection, "raw/write", boundary=boundary, file=str(made))
    return _publish(made, state_dir, since, until)


def tidy_raw(connection: duckdb.DuckDBPyConnection, state_dir: Path) -> int:
    """Make many small parts one; return how many went. Raises DataError."""
    small = [part for part in raw_parts(state_dir) if part.path.stat().st_size < _SMALL_BYTES]
    if len(small) <= MOST_PARTS:
        return 0
    _rewrite(connection, state_dir, small, since=small[0].since)
    return len(small)


def prune_raw(connection: duckdb.DuckDBPyConnection, state_dir: Path, before: datetime) -> int:
    """Remove kept rows that ended before a time; return how many parts went or shrank."""
    limit = before.astimezone(UTC).replace(tzinfo=None)
    old = [part for part in raw_parts(state_dir) if part.since < limit]
    for part in old:
        if part.until < limit:
            with translated(part.path):
                part.path.unlink()
        else:
            _rewrite(connection, state_dir, [part], since=limit)
    return len(old)


def _rewrite(
    connection: duckdb.DuckDBPyConnection,
    state_dir: Path,
    parts: list[RawPart],
    *,
    since: datetime,
) -> None:
    made = scratch_dir(state_dir) / "raw.parquet"
    files = [str(part.path) for part in parts]
    with translated(raw_dir(state_dir)):
        if run_count(connection, "raw/rewrite", files=files, since=since, file=str(made)):
            first = max(since, min(part.since for part in parts))
            _publish(made, state_dir, first, max(part.until for part in parts))
        for part in parts:
            part.path.unlink()


def _publish(made: Path, state_dir: Path, since: datetime, until: datetime) -> Path:
    folder = raw_dir(state_dir)
    folder.mkdir(mode=0o700, exist_ok=True)
    made.chmod(0o600)
    sync_file(made)
    path = folder / f"rows-{since.strftime(_STAMP)}-{until.strftime(_STAMP)}-{uuid4().hex}.parquet"
    made.rename(path)
    sync_folder(folder)
    return path


def _at(stamp: str) -> datetime:
    return datetime.strptime(stamp, _STAMP)  # noqa: DTZ007 - naive UTC, as in the ledger
