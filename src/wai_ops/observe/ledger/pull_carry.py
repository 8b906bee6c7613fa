"""What a body once told of a row stays with the row, when the row is read again without it.

The list of a log has neither an error's code nor why a model stopped. They are added to the row's
own JSON, at its end; every byte that came stays as it came.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from wai_ops.observe.ledger.database import run


class _Told(msgspec.Struct):
    id: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    finish_reason: str | None = None


_LINE = msgspec.json.Decoder(_Told)


def spliced(row: bytes, more: Mapping[str, object]) -> bytes:
    """The row with more members at its end."""
    text = row.rstrip()
    if not more or not text.endswith(b"}"):
        return row
    return text[:-1] + b"," + msgspec.json.encode(more)[1:]


def carry_over(connection: Any, path: Path, **window: Any) -> None:
    """Add to the rows of a spool what the ledger knows of them from bodies. Raises OSError."""
    known = {
        row[0]: {
            name: value
            for name, value in zip(_Told.__struct_fields__[1:], row[1:], strict=True)
            if value is not None
        }
        for row in run(connection, "pulls/said", **window)
    }
    if not known:
        return
    with path.open("rb") as file:
        lines = [_completed(line.rstrip(b"\n"), known) for line in file]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def _completed(line: bytes, known: Mapping[str, Mapping[str, object]]) -> bytes:
    try:
        told = _LINE.decode(line)
    except (msgspec.MsgspecError, ValueError):
        return line
    if told.id is None or told.id not in known:
        return line
    more = {name: v for name, v in known[told.id].items() if getattr(told, name) is None}
    return spliced(line, more)
