"""Reading one window until what was read is the whole of it.

While pages are turned, late rows arrive and old ones may go. So the source counts once more when
all pages are turned: where the rows that were seen are not as many, the window is read again.
Everything that was seen in any pass is kept: a row is known by its id, so that more is never wrong,
only less.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress

from wai_ops.core.clock import Clock
from wai_ops.observe.ingest.pull_source import LogSource, Page, RowKey
from wai_ops.observe.ingest.windows import SHORTEST, Span
from wai_ops.observe.ledger.pull_rows import RawRow

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
    keys: dict[str, RowKey | None] = field(default_factory=dict)
    """Of those rows, where bodies are to be read."""
    reported_count: int | None = None
    page_count: int = 0
    duplicate_count: int = 0
    """Rows that were given more than once, in this pass or another."""
    is_whole: bool = True
    is_sampled: bool = False


def read_window(
    source: LogSource,
    span: Span,
    clock: Clock,
    *,
    max_rows: int,
    with_keys: bool = False,
    retreat_s: float = 0.5,
    rest: Callable[[float], None] | None = None,
) -> Reading:
    """Read a window until two counts agree. Raises TooManyRows, ApiError and ApiAccessError."""
    reading = Reading(span=span, started_at=clock.now(), rows={})
    for attempt in range(MAX_PASSES):
        if attempt:
            (rest or clock.sleep)(retreat_s * attempt)
        if _read_once(source, reading, max_rows, with_keys=with_keys):
            return reading
    reading.is_whole = False
    return reading


def _read_once(source: LogSource, reading: Reading, max_rows: int, *, with_keys: bool) -> bool:
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
        _add(reading, page, seen, with_keys=with_keys)
    if total is None:
        return True
    reading.reported_count = total - len(seen - reading.rows.keys())
    return total == len(seen)


def _add(reading: Reading, page: Page, seen: set[str], *, with_keys: bool) -> None:
    """Take the rows of a page that lie in the window; one at its end belongs to the next."""
    span = reading.span
    ids = [
        _id_of(row) if key is None else key.id
        for row, key in zip(page.rows, page.keys, strict=True)
    ]
    seen.update(ids)
    before = len(reading.rows)
    rows, keys = page.rows, page.keys
    inside = [key is None or span.since <= key.created_at < span.until for key in keys]
    if not all(inside):
        ids = list(compress(ids, inside))
        rows, keys = list(compress(rows, inside)), list(compress(keys, inside))
    reading.rows.update(zip(ids, rows, strict=True))
    if with_keys:
        reading.keys.update(zip(ids, keys, strict=True))
    reading.duplicate_count += len(ids) - (len(reading.rows) - before)


def _id_of(row: RawRow) -> str:
    """Of a row that tells none: of its content."""
    import hashlib

    return f"sha256:{hashlib.sha256(bytes(row)).hexdigest()}"
