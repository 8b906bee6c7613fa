"""CSV with a header: our own exports, and tables with the columns of the dashboard."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from wai_ops.observe.ingest.columns import column_of, gateway_row
from wai_ops.observe.ingest.formats import delimiter_of
from wai_ops.observe.ingest.import_spool import Spool
from wai_ops.observe.ingest.jsonl import TOO_LONG
from wai_ops.observe.ingest.lines import MAX_LINE_BYTES, DamagedFileError, read_lines

_GUARDED = re.compile(r"'[=+\-@\t\r]")
"""An export puts an apostrophe before what a spreadsheet would run."""


def translate_csv(path: Path, spool: Spool, sha256: str) -> None:
    """Read rows by the header; the line number of a row is that of its first line."""
    header: list[str] | None = None
    delimiter = ","
    try:
        for number, text in _records(path, spool):
            if header is None:
                delimiter = delimiter_of(text)
            try:
                cells = next(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
            except csv.Error as error:
                spool.reject(number, str(error), text)
                continue
            if header is None:
                header = [column_of(name) for name in cells]
            elif len(cells) != len(header):
                spool.reject(number, f"{len(cells)} cells under {len(header)} column names", text)
            else:
                values = {
                    name: cell[1:] if _GUARDED.match(cell) else cell
                    for name, cell in zip(header, cells, strict=True)
                }
                _add(spool, number, values, text, f"{sha256}:{number}")
    except DamagedFileError as error:
        spool.reject(0, f"the file is cut off or damaged: {error}")


def _add(spool: Spool, number: int, values: dict[str, str], text: str, fallback_id: str) -> None:
    try:
        spool.row(number, gateway_row(values, fallback_id=fallback_id), own_id=fallback_id)
    except ValueError as error:
        spool.reject(number, str(error), text)


def _records(path: Path, spool: Spool) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of whole records: a quoted cell may go over several lines."""
    parts: list[str] = []
    start, size, is_open = 0, 0, False
    for number, line in read_lines(path):
        if line is None or size + len(line) > MAX_LINE_BYTES:
            spool.reject(start if is_open else number, TOO_LONG)
            parts, size, is_open = [], 0, False
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError:
            spool.reject(number, "the line is not UTF-8 text", line)
            continue
        if not is_open and not text.strip():
            continue
        start = start if is_open else number
        parts.append(text)
        size += len(line) + 1
        is_open ^= text.count('"') % 2 == 1
        if not is_open:
            yield start, "\n".join(parts)
            parts, size = [], 0
    if is_open:
        spool.reject(start, "a quoted cell does not end", "\n".join(parts))
