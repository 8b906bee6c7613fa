"""Every text that the ledger's files hold, for those who look for what should not be there."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

from wai_ops.observe.ledger.database import connected, run, statement, translated
from wai_ops.observe.ledger.signals import interruptible

_ROWS = 1000


def database_texts(path: Path, state_dir: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield `table.column` and text for every row of a DuckDB file in which `pattern` matches.

    The file is opened read-only; its write-ahead log counts. Raises DataError.
    """
    with translated(path), connected(path, state_dir, read_only=True) as connection:
        for (name,) in run(connection, "texts/tables"):
            found = _matching(connection, "table_rows", table=name, pattern=pattern)
            yield from ((f"{name}.{column}", text) for column, text in found)


def parquet_texts(path: Path, state_dir: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield column and text for every row of a Parquet file in which `pattern` matches.

    Raises DataError.
    """
    with translated(path), _in_memory(state_dir) as connection:
        yield from _matching(connection, "parquet_rows", path=str(path), pattern=pattern)


def _in_memory(state_dir: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return connected(Path(":memory:"), state_dir)


def _matching(
    connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any
) -> Iterator[tuple[str, str]]:
    sql = statement(f"texts/{name}")
    cursor = interruptible(lambda: connection.execute(sql, parameters), connection.interrupt)
    columns = [column[0] for column in cursor.description or ()]
    while rows := interruptible(lambda: cursor.fetchmany(_ROWS), connection.interrupt):
        for row in rows:
            for column, text in zip(columns, row, strict=True):
                if text:
                    yield column, text
