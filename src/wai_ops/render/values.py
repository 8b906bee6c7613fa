"""Values as machines read them: nothing rounded, decimals as text, times as UTC text."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from wai_ops.core.clock import to_utc_text
from wai_ops.core.table import Column, Table, columns_of


def columns(table: Table[Any]) -> tuple[Column, ...]:
    """The table's columns, declared by its row type or given with it."""
    return columns_of(table.row_type) if table.columns is None else table.columns


@dataclass(frozen=True, slots=True)
class Grid:
    """What people are shown of a table: columns that hold something, and their cells."""

    columns: list[Column]
    rows: list[list[Any]]
    total: list[Any] | None


def for_people(table: Table[Any]) -> Grid:
    """Leave out the columns that hold nothing in any row; the first one always stays."""
    declared = columns(table)
    rows = [cells(row, declared) for row in table.rows]
    total = None if table.total is None else cells(table.total, declared)
    everything = rows if total is None else [*rows, total]
    kept = [
        index
        for index in range(len(declared))
        if index == 0 or not rows or any(row[index] is not None for row in everything)
    ]
    return Grid(
        columns=[declared[index] for index in kept],
        rows=[[row[index] for index in kept] for row in rows],
        total=None if total is None else [total[index] for index in kept],
    )


def cells(row: Any, names: tuple[Column, ...]) -> list[Any]:
    """A row's values in the order of the columns; free SQL gives rows as tuples."""
    if isinstance(row, tuple):
        return list(row)
    return [getattr(row, column.name) for column in names]


def to_plain(value: Any) -> Any:
    """Turn one value into what JSON can hold without losing a digit."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return to_utc_text(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and value - value != 0:
        return None  # JSON has no infinity and no NaN
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which no encoder would take, by U+FFFD; pairs become one."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
