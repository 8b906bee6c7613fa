"""The two shapes of a result: a table of rows, or one record. Neither knows how it is printed.

A row is a frozen dataclass whose fields are declared with `col`: label and unit are written once
and every format reads them.
"""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from typing import Any, Generic, TypeVar

RowT = TypeVar("RowT")


class Unit(Enum):
    """What a number counts; a renderer decides on digits and alignment from this."""

    TEXT = "text"
    COUNT = "count"
    TOKENS = "tokens"
    USD = "usd"
    USD_PER_M = "usd_per_m"
    NEURONS = "neurons"
    RATIO = "ratio"
    MS = "ms"
    BYTES = "bytes"
    TIME = "time"
    FLAG = "flag"


class Verdict(Enum):
    """The answer of a check. `FAIL` makes the command exit 1; it is not an error."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Column:
    """One column as declared: field name, label for people, unit."""

    name: str
    label: str
    unit: Unit


def col(label: str, unit: Unit = Unit.TEXT, *, default: Any = MISSING) -> Any:
    """Declare a field of a row: its label for people and the unit of its values."""
    metadata = {"label": label, "unit": unit}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def columns_of(row_type: type) -> tuple[Column, ...]:
    """The declared columns of a row type, in order. Raises TypeError for a field without `col`."""
    found = []
    for item in fields(row_type):
        if "label" not in item.metadata:
            raise TypeError(f"{row_type.__name__}.{item.name} is not declared with col()")
        found.append(Column(item.name, item.metadata["label"], item.metadata["unit"]))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[RowT]):
    """Rows of one type, what is known about them (`notes`), and the verdict if there is one.

    Notes carry the evidence: the source of the numbers, how complete they are, what is unknown.
    """

    row_type: type[RowT]
    rows: Sequence[RowT]
    title: str = ""
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    total: RowT | None = None
    """A last row that sums the others, where that has a meaning."""
    columns: tuple[Column, ...] | None = None
    """Given only where the columns are not those of `row_type` (free SQL: rows are tuples)."""
