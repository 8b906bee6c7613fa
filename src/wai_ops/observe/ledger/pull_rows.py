"""The rows of a pull on their way into the ledger: JSON as it came, never decoded as a whole.

The list of a log has neither an error's code nor why a model stopped. What a body once told of a
row stays with it, when the row is read again without the body: it is added to the row's own JSON,
at its end; every byte that came stays as it came.
"""

import io
import os
from collections.abc import Iterable, Mapping, Sequence
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


def flat(rows: Sequence[RawRow], content: bytes) -> Sequence[RawRow]:
    """The rows of an answer as one line each; within a JSON string a line break is escaped."""
    if b"\n" not in content:
        return rows
    return [bytes(row).replace(b"\n", b" ") for row in rows]


def write_rows(groups: Iterable[dict[str, RawRow]], path: Path) -> None:
    """Move rows into a file as lines, in place of what it had. Raises OSError."""
    # A file that is written over keeps its pages: a third of the time of a new one.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb", buffering=0) as file:
        for group in groups:
            if group:
                _write_all(file, b"\n".join([*group.values(), b""]))
            group.clear()
        file.truncate()


def _write_all(file: io.RawIOBase, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
