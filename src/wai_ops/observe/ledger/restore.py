"""What a ledger holds beyond the outbox's facts, brought into one that is made anew.

Pulled log rows come from the parts that were kept of them (`raw.py`), once after a ledger was made.
The rest comes from the old ledger, as long as it can be read: imported rows, windows and marks of
pulls, bodies, quarantine.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from wai_ops.observe.ledger.database import (
    DamagedError,
    connected,
    run,
    run_count,
    schema_version,
    transaction,
    translated,
)
from wai_ops.observe.ledger.match import last_row, match, start_matching
from wai_ops.observe.ledger.paths import raw_dir, scratch_dir
from wai_ops.observe.ledger.raw import raw_parts

_TABLES = (
    "price",
    "body",
    "ingest_window",
    "ingest_mark",
    "ingest_file",
    "ingest_quarantine",
    "gateway_count",
    "redaction",
)


def dump(path: Path, state_dir: Path) -> dict[str, Path] | None:
    """Write what the old ledger alone knows to the scratch folder; None: it cannot be read."""
    made = {}
    try:
        with translated(path), connected(path, state_dir, read_only=True) as connection:
            if schema_version(connection, path) < 2:
                return {}
            for name in ("gateway_rows", "tool_call", *_TABLES):
                file = scratch_dir(state_dir) / f"old-{name}.parquet"
                run(connection, f"restore/dump_{name}", file=str(file))
                made[name] = file
    except DamagedError:
        return None
    return made


def restore_raw(connection: duckdb.DuckDBPyConnection, state_dir: Path) -> int:
    """Load the kept parts into a ledger that never saw them; return how many rows that gave.

    Call when the attempts are there. Raises DataError.
    """
    if run(connection, "raw/is_loaded") == [(True,)]:
        return 0
    parts = [str(part.path) for part in raw_parts(state_dir)]
    with translated(raw_dir(state_dir), hint=_HINT), transaction(connection):
        count = _load(connection, "raw/load", parts) if parts else 0
        run(connection, "store/meta_set", key="raw_loaded", value="yes")
    return count


def restore_dumped(connection: duckdb.DuckDBPyConnection, dumped: dict[str, Path]) -> int:
    """Load what `dump` wrote and is still missing; return how many log rows that gave."""
    if not dumped:
        return 0
    with transaction(connection):
        count = _load(connection, "restore/gateway_rows", [str(dumped["gateway_rows"])])
        for name in (*_TABLES, "tool_call"):
            run(connection, f"restore/{name}", file=str(dumped[name]))
    return count


_HINT = "move the damaged part away: its rows come back from the old ledger, or with the next pull"


def _load(connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[str]) -> int:
    boundary = last_row(connection)
    start_matching(connection)
    run(connection, "raw/set_files", files=files)
    run(connection, name)
    run(connection, "gateway/twins_delete", boundary=boundary)
    count = run_count(connection, "restore/new_count", boundary=boundary)
    match(connection, boundary)
    return count
