"""JSON lines: what `wai` exported itself, and gateway rows that DuckDB cannot read as they lie."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from wai_ops.observe.ingest.columns import gateway_row
from wai_ops.observe.ingest.import_spool import Spool
from wai_ops.observe.ingest.lines import (
    BOM,
    MAX_LINE_BYTES,
    DamagedFileError,
    open_unpacked,
    read_lines,
)

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""JSON that is one value over many lines has to fit into memory."""
TOO_LONG = f"the line is longer than {MAX_LINE_BYTES // 1024**2} MiB"
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_values(path: Path, spool: Spool) -> Iterator[tuple[int, Any, bytes]]:
    """Yield (line, value, its text) of a file of JSON lines; rejects what is none.

    A file that is one JSON value over several lines gives that value, at line 1.
    """
    try:
        for number, line in read_lines(path):
            if line is None:
                spool.reject(number, TOO_LONG)
            elif line.strip():
                try:
                    yield number, msgspec.json.decode(line), line
                except _NO_JSON as error:
                    if number == 1 and (whole := _document(path)) is not None:
                        yield number, whole[0], whole[1]
                        return
                    spool.reject(number, reason_of(error), line)
    except DamagedFileError as error:
        spool.reject(0, f"the file is cut off or damaged: {error}")


def translate_each(path: Path, spool: Spool, add: Callable[[int, Any, bytes], None]) -> None:
    """Give each value to `add`; what it raises as a ValueError rejects the line."""
    for number, value, line in read_values(path, spool):
        try:
            add(number, value, line)
        except (ValueError, RecursionError) as error:
            spool.reject(number, str(error), line)


def translate_own(path: Path, spool: Spool, sha256: str) -> None:
    """Exports of `wai logs export jsonl` and `wai ledger export`: one object of columns a line."""

    def add(number: int, value: Any, _line: bytes) -> None:
        row_id = f"{sha256}:{number}"
        spool.row(number, own_row(value, row_id), own_id=row_id)

    translate_each(path, spool, add)


def own_row(value: Any, fallback_id: str) -> dict[str, Any]:
    """A row of ours as a gateway row. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for whatever is wrong
    if "served_model" in value:  # an attempt: its model has another name
        value = {**value, "model": value["served_model"] or value.get("requested_model")}
    return gateway_row(value, fallback_id=fallback_id)


def translate_gateway(path: Path, spool: Spool) -> None:
    """Log rows in arrays, in answers of the Logs API as they came, or among damaged lines."""

    def add(number: int, value: Any, line: bytes) -> None:
        rows = value.get("result") if isinstance(value, dict) and "result" in value else value
        if isinstance(rows, list):
            for row in rows:
                _check_row(row)
            for row in rows:
                spool.given_row(number, row)
        else:
            _check_row(rows)
            spool.raw_row(number, line)

    translate_each(path, spool, add)


def reason_of(error: Exception) -> str:
    """Why a line is no JSON, in words that fit a table."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "the line is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _check_row(row: Any) -> None:
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for whatever is wrong
    for name in ("id", "created_at"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise ValueError(f"{name} is missing")


def _document(path: Path) -> tuple[Any, bytes] | None:
    """The whole file as one JSON value; None when it is none."""
    with open_unpacked(path) as file:
        try:
            text = file.read(MAX_DOCUMENT_BYTES + 1)
        except (OSError, EOFError):
            return None
    if len(text) > MAX_DOCUMENT_BYTES:
        return None
    try:
        return msgspec.json.decode(text.removeprefix(BOM)), text
    except _NO_JSON:
        return None
