"""Reading one window until what was read is the whole of it.

While pages are turned, late rows arrive and old ones may go. So the source counts once more when
all pages are turned: where the rows that were seen are not as many, the window is read again.
Everything that was seen in any pass is kept: a row is known by its id, so that more is never wrong,
only less.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.observe.ingest.pull_source import LogSource, RawRow, RowKey
from wai_ops.observe.ingest.windows import SHORTEST, Span

MAX_PASSES = 5
"""After so many the window is kept as it is, marked as not whole, and read again later."""


class TooManyRows(Exception):  # noqa: N818 - it names what happened
    """The window holds more rows than one window should; nothing was kept of it."""

    def __init__(self, row_count: int) -> None:
        """Keep how many."""
        super().__init__(row_count)
        self.row_count = row_count


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one window gave."""

    span: Span
    started_at: datetime
    rows: dict[str, RawRow]
    """By id, in the order of their time; rows without an id have one of their content."""
    keys: dict[str, RowKey | None]
    reported_count: int | None
    page_count: int = 0
    duplicate_count: int = 0
    """Rows that were given more than once, in this pass or another."""
    is_whole: bool = True
    is_sampled: bool = False
    path: Path | None = None
    """Where the rows were spooled to; None: there are none."""


def read_window(
    source: LogSource,
    span: Span,
    clock: Clock,
    *,
    max_rows: int,
    retreat_s: float = 0.5,
    rest: Callable[[float], None] | None = None,
) -> Reading:
    """Read a window until two counts agree. Raises TooManyRows, ApiError and ApiAccessError."""
    reading = Reading(span=span, started_at=clock.now(), rows={}, keys={}, reported_count=None)
    for attempt in range(MAX_PASSES):
        if attempt:
            (rest or clock.sleep)(retreat_s * attempt)
        if _read_once(source, reading, max_rows):
            return reading
    reading.is_whole = False
    return reading


def _read_once(source: LogSource, reading: Reading, max_rows: int) -> bool:
    """Turn all pages once. Whether the pass saw every row that the source counted."""
    span = reading.span
    can_split = span.until - span.since > SHORTEST
    seen: set[str] = set()
    total: int | None = None
    for page in source.pages(span):
        if page.total is not None:
            total = page.total
        if can_split and max(len(seen), (total or 0) if not seen else 0) > max_rows:
            raise TooManyRows(max(len(seen), total or 0))
        reading.page_count += 1
        reading.is_sampled |= page.is_sampled
        for row, key in zip(page.rows, page.keys, strict=True):
            row_id = _id_of(row, key)
            seen.add(row_id)
            reading.duplicate_count += row_id in reading.rows
            if key is None or span.since <= key.created_at < span.until:
                reading.rows[row_id] = row
                reading.keys[row_id] = key
    if total is None:
        return True
    reading.reported_count = total - sum(1 for row_id in seen if row_id not in reading.rows)
    return total == len(seen)


def _id_of(row: RawRow, key: RowKey | None) -> str:
    if key is not None:
        return key.id
    import hashlib

    return f"sha256:{hashlib.sha256(bytes(row)).hexdigest()}"


def write_spool(reading: Reading, folder: Path, number: int) -> None:
    """Write the rows as lines, as they came. Raises OSError."""
    if not reading.rows:
        return
    reading.path = folder / f"{number:08}.ndjson"
    write_rows(reading.rows.values(), reading.path)


def write_rows(rows: Iterable[RawRow], path: Path) -> None:
    """Write rows as lines, as they came. Raises OSError."""
    lines = [bytes(row) for row in rows]
    text = b"\n".join(lines)
    if text.count(b"\n") != len(lines) - 1:
        # JSON that was sent over several lines; within a string a line break is always escaped.
        text = b"\n".join(line.replace(b"\n", b" ") for line in lines)
    with path.open("wb") as file:
        file.write(text)
        file.write(b"\n")
