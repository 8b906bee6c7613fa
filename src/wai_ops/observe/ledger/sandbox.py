"""Free SQL over the ledger: read-only, no files, no network, no settings to change.

Four fences: one statement that reads, a connection that cannot write, external access off, and the
configuration locked after that.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Column, Table, Unit
from wai_ops.core.text import one_line
from wai_ops.observe.ledger.database import (
    connected,
    first_line,
    open_ledger_file,
    run,
    translated,
)
from wai_ops.observe.ledger.fold import fold_into
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.signals import interruptible
from wai_ops.observe.ledger.store import to_aware

HINT = 'try: wai ledger sql "show tables", or wai ledger sql "describe attempt"'
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_OURS = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException)


def query_sql(
    state_dir: Path, clock: Clock, text: str, progress: Progress = ignore_progress
) -> Table[Any]:
    """Fold, then run one reading statement. Rows are tuples, columns those of the result.

    Raises UsageError for what is wrong with the SQL, DataError for what is wrong with the ledger.
    """
    with ledger_lock(state_dir, clock, progress=progress):
        with open_ledger_file(state_dir, clock) as connection:
            fold_into(connection, state_dir, clock, progress)
        with locked_down(state_dir) as connection:
            return _read(connection, text)


@contextmanager
def locked_down(state_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the ledger so that nothing but its own rows can be reached. Call under the lock."""
    path = ledger_path(state_dir)
    with translated(path), connected(path, state_dir, read_only=True) as connection:
        run(connection, "store/lock_down")
        yield connection


def _read(connection: duckdb.DuckDBPyConnection, text: str) -> Table[Any]:
    try:
        described, rows = interruptible(
            lambda: _run_reading(connection, text), connection.interrupt
        )
    except _OURS:
        raise
    except duckdb.Error as error:
        raise UsageError(first_line(error), hint=HINT) from error
    return Table(
        row_type=tuple,
        rows=[tuple(_plain(value) for value in row) for row in rows],
        columns=_columns(described),
    )


def _run_reading(
    connection: duckdb.DuckDBPyConnection, text: str
) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """Run it if it is one statement that reads; return the columns (name, SQL type) and rows."""
    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type not in _READING:
        raise UsageError("give one statement, and one that reads: SELECT ...", hint=HINT)
    cursor = connection.execute(statements[0])
    described = [(name, str(kind)) for name, kind, *_ in cursor.description or ()]
    for name, kind in described:
        if kind == "TIMESTAMP WITH TIME ZONE":
            raise UsageError(
                f"column {one_line(name)!r} has a time zone, and times here are plain UTC",
                hint=f"write {one_line(name)}::timestamp",
            )
    rows = cursor.fetchall()
    if statements[0].type == duckdb.StatementType.EXPLAIN:
        plan = "\n".join(row[-1] for row in rows)
        return [("plan", "VARCHAR")], [(line,) for line in plan.splitlines()]
    return described, rows


def _columns(described: Sequence[tuple[str, str]]) -> tuple[Column, ...]:
    """Name the columns apart, because JSON objects and CSV headers need it."""
    seen: dict[str, int] = {}
    columns = []
    for name, kind in described:
        seen[name] = count = seen.get(name, 0) + 1
        unique = name if count == 1 else f"{name}_{count}"
        unit = Unit.TIME if kind.startswith("TIMESTAMP") else Unit.TEXT
        columns.append(Column(unique, unique, Unit.FLAG if kind == "BOOLEAN" else unit))
    return tuple(columns)


def _plain(value: Any) -> Any:
    """Turn DuckDB's richer types into what every format can hold."""
    if isinstance(value, datetime):
        return to_aware(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str)
    return value
