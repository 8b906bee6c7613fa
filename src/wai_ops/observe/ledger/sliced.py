"""Statements with a marker where a slice goes in: the conditions come from a fixed map."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import duckdb

from wai_ops.observe.ledger.database import statement
from wai_ops.observe.ledger.signals import deferred_signals
from wai_ops.observe.ledger.store import to_aware

MARKER = "{where}"
_BATCH = 5000


def run_sliced(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    where: str,
    values: Mapping[str, Any],
    **parameters: Any,
) -> list[tuple[Any, ...]]:
    """Run `sql/<name>.sql` over a slice. `where` is built from fixed names, `values` are bound."""
    with deferred_signals():
        return _execute(connection, name, where, values, parameters).fetchall()


def read_sliced(
    connection: duckdb.DuckDBPyConnection, name: str, where: str, values: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the rows by column name, a batch in memory at a time; times are aware."""
    cursor = _execute(connection, name, where, values, {})
    names = [column[0] for column in cursor.description or ()]
    while rows := cursor.fetchmany(_BATCH):
        for row in rows:
            yield {
                key: to_aware(value) if isinstance(value, datetime) else value
                for key, value in zip(names, row, strict=True)
            }


def _execute(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    where: str,
    values: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> duckdb.DuckDBPyConnection:
    bound = {**values, **parameters}
    return connection.execute(statement(name).replace(MARKER, where), bound or None)
