"""Any report beside an earlier one: after each number its change, in its own unit and relative.

Rows are matched by the columns that they begin with, up to the first number. A row that only one
of the two has counts 0 where things are counted, and is unknown everywhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.core.table import Column, Table, Unit, columns_of
from wai_ops.core.window import Window

_WORDS = (Unit.TEXT, Unit.FLAG, Unit.TIME)
_COUNTED = (Unit.COUNT, Unit.TOKENS)
_DAY = timedelta(days=1)
Key = tuple[Any, ...]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What a report is compared with. Columns that it lacks are unknown."""

    label: str
    """Words for the note: a window, or the name of a baseline."""
    rows: Mapping[Key, Values]
    """By the columns that a row begins with."""
    total: Values | None = None


def previous_window(window: Window, *, now: datetime) -> Window:
    """The equally long window before. Raises UsageError where the window has no beginning."""
    if window.since is None:
        raise UsageError(
            "--compare previous needs to know where the window begins", hint="add --since 7d"
        )
    until = now if window.until is None else window.until
    try:
        return Window(window.since - (until - window.since), window.since)
    except OverflowError:
        raise UsageError(
            "--compare previous: the time before this window is before year 1",
            hint="give a later --since",
        ) from None


def compared(
    table: Table[Any], earlier: Table[Any], label: str, *, shift: timedelta | None = None
) -> Table[Any]:
    """The report with its changes since another of the same kind, which lies `shift` before.

    Days are matched in their order: the first of a week with the first of the week before.
    """
    return compared_with(table, to_earlier(earlier, label, shift=shift))


def to_earlier(table: Table[Any], label: str, *, shift: timedelta | None = None) -> Earlier:
    """A report as something to compare with; its days move by `shift` where that is whole days."""
    declared = declared_columns(table)
    keys = key_columns(declared)
    rows = [values_of(row, declared) for row in table.rows]
    if shift is not None and not shift % _DAY:
        rows = [row | _moved(row, shift) for row in rows]
    return Earlier(
        label=label,
        rows={tuple(row[column.name] for column in keys): row for row in rows},
        total=None if table.total is None else values_of(table.total, declared),
    )


def _moved(row: Values, shift: timedelta) -> dict[str, str]:
    if row.get("day") is None:
        return {}
    return {"day": (date.fromisoformat(row["day"]) + shift).isoformat()}


def compared_with(table: Table[Any], earlier: Earlier) -> Table[Any]:
    """The report with its changes: rows are tuples, and `columns` says what is in them."""
    declared = declared_columns(table)
    keys = key_columns(declared)
    rows = []
    left = dict(earlier.rows)
    for row in table.rows:
        now = values_of(row, declared)
        before = left.pop(tuple(now[column.name] for column in keys), None)
        rows.append(tuple(_cells(declared, keys, now, before or _nothing(declared))))
    for key, before in left.items():
        gone = _nothing(declared) | dict(zip((c.name for c in keys), key, strict=True))
        rows.append(tuple(_cells(declared, keys, gone, before)))
    total = None
    if table.total is not None:
        now = values_of(table.total, declared)
        total = tuple(_cells(declared, keys, now, earlier.total or _nothing(declared)))
    return Table(
        row_type=tuple,
        rows=rows,
        title=table.title,
        notes=(*table.notes, f"compared with {earlier.label}"),
        verdict=table.verdict,
        total=total,
        columns=tuple(_columns(declared, keys)),
    )


def declared_columns(table: Table[Any]) -> tuple[Column, ...]:
    """The columns that a table has, declared by its row type or given with it."""
    return columns_of(table.row_type) if table.columns is None else table.columns


def key_columns(declared: Sequence[Column]) -> list[Column]:
    """The columns up to the first number: what a row is known by."""
    keys: list[Column] = []
    for column in declared:
        if column.unit not in _WORDS:
            break
        keys.append(column)
    return keys


def values_of(row: Any, declared: Sequence[Column]) -> dict[str, Any]:
    """A row's values by name; rows of free columns are tuples."""
    if isinstance(row, tuple):
        return {column.name: value for column, value in zip(declared, row, strict=True)}
    return {column.name: getattr(row, column.name) for column in declared}


def _nothing(declared: Sequence[Column]) -> dict[str, Any]:
    return {column.name: 0 if column.unit in _COUNTED else None for column in declared}


def _columns(declared: Sequence[Column], keys: Sequence[Column]) -> Iterator[Column]:
    for column in declared:
        yield column
        if _is_compared(column, keys):
            yield Column(f"{column.name}_delta", f"{column.label} +/-", column.unit)
            yield Column(f"{column.name}_change_ratio", f"{column.label} change", Unit.RATIO)


def _cells(
    declared: Sequence[Column], keys: Sequence[Column], now: Values, before: Values
) -> Iterator[Any]:
    for column in declared:
        value = now[column.name]
        yield value
        if _is_compared(column, keys):
            yield from change(value, before.get(column.name))


def _is_compared(column: Column, keys: Sequence[Column]) -> bool:
    return column.unit not in _WORDS and column not in keys


def change(now: Any, before: Any) -> tuple[Any, float | None]:
    """The difference, and as a share of what it was; None where there is nothing to compare."""
    if now is None or before is None:
        return None, None
    if isinstance(now, float) or isinstance(before, float):
        now, before = float(now), float(before)
    delta = now - before
    return delta, float(Decimal(delta) / Decimal(before)) if before else None
