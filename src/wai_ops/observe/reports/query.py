"""Running a report's `.sql` over a slice: markers filled from fixed maps, values bound."""

import re
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from wai_ops.observe.ledger.database import translated
from wai_ops.observe.ledger.signals import interruptible
from wai_ops.observe.ledger.store import Store, report_sql, to_aware
from wai_ops.observe.reports.slice import (
    DAYS,
    Dimension,
    Filled,
    RollUp,
    Slice,
    over_calls,
    over_days_and_edges,
    to_naive,
)

RowT = TypeVar("RowT")
_MARKER = re.compile(r"\{([a-z_]+)\}")


def query_slice(
    store: Store,
    row_type: type[RowT],
    name: str,
    part: Slice,
    by: Dimension | None = None,
    **parameters: Any,
) -> list[RowT]:
    """Run `observe/reports/sql/<name>.sql` over the calls of the slice. Raises DataError."""
    return _run(store, row_type, name, over_calls(part, by), parameters)


def query_rolled(
    store: Store,
    row_type: type[RowT],
    name: str,
    part: Slice,
    by: Dimension | None = None,
    *,
    kept: RollUp | None = DAYS,
    **parameters: Any,
) -> list[RowT]:
    """Like `query_slice`, with the whole days of the window from a roll-up.

    Without one, or for a slice that it cannot answer, the table answers alone: the same figures. So
    it does while days wait for their roll-ups to be made anew.
    """
    if kept is None or _has_stale_days(store):
        return _run(store, row_type, name, over_calls(part, by), parameters)
    return _run(store, row_type, name, over_days_and_edges(part, by, kept), parameters)


def _has_stale_days(store: Store) -> bool:
    with translated(store.path):
        return bool(store.connection.execute("select exists (from rollup_dirty)").fetchall()[0][0])


def _run(
    store: Store, row_type: type[RowT], name: str, filled: Filled, parameters: dict[str, Any]
) -> list[RowT]:
    text, bound = _text_and_values(name, filled, parameters)

    def read() -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor = store.connection.execute(text, bound or None)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()

    with translated(store.path):
        names, rows = interruptible(read, store.connection.interrupt)
    declared = {item.name for item in fields(row_type)}  # type: ignore[arg-type]
    if set(names) != declared:
        raise TypeError(f"{name}.sql gives {names}, {row_type.__name__} has {sorted(declared)}")
    return [
        row_type(**{key: to_aware(value) for key, value in zip(names, row, strict=True)})
        for row in rows
    ]


def filled_text(
    name: str, part: Slice, by: Dimension | None = None, **parameters: Any
) -> tuple[str, dict[str, Any]]:
    """The text that `query_slice` would run, and the values for it."""
    return _text_and_values(name, over_calls(part, by), parameters)


def _text_and_values(
    name: str, filled: Filled, parameters: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    text = _MARKER.sub(lambda match: filled.markers[match[1]], report_sql(name))
    everything = {key: _bound(value) for key, value in parameters.items()} | filled.values
    return text, Filled(filled.markers, everything).named_in(text)


def _bound(value: Any) -> Any:
    return to_naive(value) if isinstance(value, datetime) else value
