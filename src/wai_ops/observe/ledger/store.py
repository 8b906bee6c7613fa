"""What reports get: an up-to-date ledger, and its rows as the dataclasses that they declare."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.conversations import refresh_conversations
from wai_ops.observe.ledger.database import open_ledger_file, translated
from wai_ops.observe.ledger.fold import FoldResult, fold_into
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.rollup import refresh_rollups
from wai_ops.observe.ledger.signals import interruptible

RowT = TypeVar("RowT")
REPORTS = "wai_ops.observe.reports"


@cache
def report_sql(name: str) -> str:
    """Return the text of the report query `observe/reports/sql/<name>.sql`."""
    return (files(REPORTS) / "sql" / f"{name}.sql").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Store:
    """An open ledger. `folded` says what the fold before it found."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    folded: FoldResult

    def query(self, row_type: type[RowT], name: str, **parameters: Any) -> list[RowT]:
        """Run a report query; its columns are the fields of `row_type`, in any order.

        Aware datetimes go in as UTC and times come out as aware UTC. Raises DataError.
        """

        def read() -> tuple[list[str], list[tuple[Any, ...]]]:
            cursor = self.connection.execute(report_sql(name), _bound(parameters))
            return [column[0] for column in cursor.description or ()], cursor.fetchall()

        with translated(self.path):
            names, rows = interruptible(read, self.connection.interrupt)
        declared = {item.name for item in fields(row_type)}  # type: ignore[arg-type]
        if set(names) != declared:
            raise TypeError(f"{name}.sql gives {names}, {row_type.__name__} has {sorted(declared)}")
        return [
            row_type(**{key: to_aware(value) for key, value in zip(names, row, strict=True)})
            for row in rows
        ]

    def describe(self, name: str, **parameters: Any) -> list[tuple[str, str]]:
        """Return a report query's columns with their SQL types, without running it."""
        rows = self.connection.execute(
            f"describe {report_sql(name)}",  # the text is a file of this package
            _bound(parameters),
        ).fetchall()
        return [(row[0], row[1]) for row in rows]


@contextmanager
def open_ledger(
    state_dir: Path, clock: Clock, progress: Progress = ignore_progress
) -> Iterator[Store]:
    """Take the ledger, bring it and its roll-ups up to date, hold it open. Raises DataError."""
    with (
        ledger_lock(state_dir, clock, progress=progress),
        open_ledger_file(state_dir, clock) as connection,
    ):
        folded = fold_into(connection, state_dir, clock, progress)
        with translated(ledger_path(state_dir)):
            refresh_rollups(connection, clock)
            refresh_conversations(connection)
        yield Store(connection, ledger_path(state_dir), folded)


def to_aware(value: Any) -> Any:
    """Times in the ledger are naive UTC; everywhere else they are aware."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _bound(parameters: dict[str, Any]) -> dict[str, Any] | None:
    return {
        key: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        for key, value in parameters.items()
    } or None
