"""The rows of a pull on their way into the ledger: JSON as it came, never decoded as a whole.

The list of a log has neither an error's code nor why a model stopped. What a body once told of a
row stays with it, when the row is read again without the body: it is added to the row's own JSON,
at its end; every byte that came stays as it came.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from wai_ops.observe.ledger.database import run

RawRow = bytes | msgspec.Raw
"""One row: the bytes of a JSON object."""


class _Told(msgspec.Struct):
    error_code: int | None = None
    error_message: str | None = None
    finish_reason: str | None = None


_TOLD = msgspec.json.Decoder(_Told)


def spliced(row: bytes, more: Mapping[str, object]) -> bytes:
    """The row with more members at its end."""
    text = row.rstrip()
    if not more or not text.endswith(b"}"):
        return row
    return text[:-1] + b"," + msgspec.json.encode(more)[1:]


def carry_over(connection: Any, rows: dict[str, RawRow], **window: Any) -> None:
    """Add to rows, by log id, what the ledger knows of them from bodies."""
    for log_id, *values in run(connection, "pulls/said", **window):
        if (row := rows.get(log_id)) is None:
            continue
        told = _TOLD.decode(row)
        more = {
            name: value
            for name, value in zip(_Told.__struct_fields__, values, strict=True)
            if value is not None and getattr(told, name) is None
        }
        rows[log_id] = spliced(bytes(row), more)


def write_rows(rows: Iterable[RawRow], path: Path) -> None:
    """Write rows as lines. Raises OSError."""
    lines = list(rows)
    text = b"\n".join(lines)
    if text.count(b"\n") != len(lines) - 1:
        # JSON that was sent over several lines; within a string a line break is always escaped.
        text = b"\n".join(bytes(line).replace(b"\n", b" ") for line in lines)
    with path.open("wb") as file:
        file.write(text)
        file.write(b"\n")
