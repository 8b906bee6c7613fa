"""Times as the ledger writes them, naive UTC, and as everything else has them; fields as lists."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any


def to_naive(at: datetime) -> datetime:
    """As the ledger writes times."""
    return at.astimezone(UTC).replace(tzinfo=None)


def to_aware(value: Any) -> Any:
    """A time of the ledger as everywhere else; any other value as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def columns(rows: Iterable[Any], row_type: Any) -> dict[str, list[Any]]:
    """The fields of dataclasses as lists for `unnest`, times naive."""
    kept = list(rows)
    return {name: [_plain(getattr(row, name)) for row in kept] for name in _names(row_type)}


def _names(row_type: Any) -> Iterable[str]:
    names: Iterable[str] = row_type.__dataclass_fields__
    return names


def _plain(value: Any) -> Any:
    return to_naive(value) if isinstance(value, datetime) else value
