"""Windows of a gateway's log that were read: what the ledger keeps of each, and in whose place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from wai_ops.observe.ledger.database import run
from wai_ops.observe.ledger.naive import columns, to_aware, to_naive
from wai_ops.observe.ledger.pull_bodies import Body, FoundTool
from wai_ops.observe.ledger.pull_rows import RawRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWindow:
    """A window that was read, as the ledger has it. Times are aware."""

    since: datetime
    until: datetime
    row_count: int
    reported_count: int | None
    page_count: int
    duplicate_count: int
    late_row_count: int
    late_field_count: int
    pending_count: int
    has_usage_metadata: bool | None
    has_timings: bool | None
    is_sampled: bool
    pulled_at: datetime
    """When the reading began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWindow:
    """A window that has just been read, with its rows."""

    since: datetime
    until: datetime
    row_count: int
    reported_count: int | None
    page_count: int
    duplicate_count: int
    is_sampled: bool
    pulled_at: datetime
    rows: dict[str, RawRow]
    """By log id."""
    bodies: Sequence[Body] = ()
    tools: Sequence[FoundTool] = ()
    redacted: Mapping[str, int] = field(default_factory=dict)


FIRST, LAST = datetime(1970, 1, 1), datetime(9999, 1, 1)  # noqa: DTZ001 - the ledger's own


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds of one window."""

    held_count: int
    pending_count: int
    has_usage_metadata: bool
    has_timings: bool


Spans = Sequence[tuple[datetime, datetime]]
"""From and until, aware."""


@dataclass(frozen=True, slots=True)
class WindowTable:
    """The windows of one gateway's log by one source, within somebody else's transaction."""

    connection: duckdb.DuckDBPyConnection
    gateway_id: str
    source: str

    def between(self, since: datetime, until: datetime) -> list[KnownWindow]:
        """Those that touch [since, until), which are naive, in the order of their beginnings."""
        rows = run(self.connection, "pulls/windows", **self._log, since=since, until=until)
        return [_known(row) for row in rows]

    def touched_by(self, spans: Spans) -> list[list[KnownWindow]]:
        """Of each span, those that it touches, in the order of their beginnings."""
        found: list[list[KnownWindow]] = [[] for _ in spans]
        rows = run(self.connection, "pulls/windows_touched", **self._log, **_lists(spans))
        for place, *row in rows:
            found[place].append(_known(row))
        return found

    def held(self, spans: Spans) -> list[Held]:
        """What the ledger holds of each span; they share no instant."""
        if not spans:
            return []
        rows = run(self.connection, "pulls/held", gateway_id=self.gateway_id, **_lists(spans))
        return [Held(*row[1:]) for row in rows]

    def replace(self, windows: Sequence[KnownWindow]) -> None:
        """Put these in the place of those within them."""
        spans = [(window.since, window.until) for window in windows]
        run(self.connection, "pulls/windows_delete", **self._log, **_lists(spans))
        run(self.connection, "pulls/windows_insert", **self._log, **columns(windows, KnownWindow))

    def move_mark(self, mark_since: datetime, at: datetime) -> datetime:
        """Move the mark as far as windows follow each other without a hole; return how far."""
        rows = run(self.connection, "pulls/mark", **self._log)
        marks = [(to_aware(row[0]), to_aware(row[1])) for row in rows]
        since: datetime = min([mark_since, *(mark[0] for mark in marks)])
        through = since
        if marks and since == marks[0][0]:
            through = marks[0][1]  # so far there was no hole before, and a window never goes
        for window in self.between(to_naive(through), LAST):
            if window.since > through:
                break
            through = max(through, window.until)
        run(self.connection, "pulls/mark_delete", **self._log)
        run(
            self.connection,
            "pulls/mark_insert",
            **self._log,
            since=to_naive(since),
            through=to_naive(through),
            marked_at=to_naive(at),
        )
        return through

    @property
    def _log(self) -> dict[str, str]:
        return {"gateway_id": self.gateway_id, "source": self.source}


def late_of(
    window: NewWindow, known: Sequence[KnownWindow], old: Held | None, new: Held
) -> tuple[int, int]:
    """Rows and fields that an earlier reading of the whole window lacked.

    `old` is what the ledger held before; None where nothing of the window was read.
    """
    if old is None or not _covers(known, window):
        return 0, 0
    return (
        max(0, new.held_count - old.held_count),
        max(0, old.pending_count - new.pending_count),
    )


def noted(
    window: NewWindow, known: Sequence[KnownWindow], new: Held, late_rows: int, late_fields: int
) -> KnownWindow:
    """What the ledger keeps of a reading; the counts of those that it replaces are carried over."""
    inside = [k for k in known if k.since >= window.since and k.until <= window.until]
    return KnownWindow(
        since=window.since,
        until=window.until,
        row_count=window.row_count,
        reported_count=window.reported_count,
        page_count=window.page_count,
        duplicate_count=window.duplicate_count + sum(k.duplicate_count for k in inside),
        late_row_count=late_rows + sum(k.late_row_count for k in inside),
        late_field_count=late_fields + sum(k.late_field_count for k in inside),
        pending_count=new.pending_count,
        has_usage_metadata=new.has_usage_metadata if new.held_count else None,
        has_timings=new.has_timings if new.held_count else None,
        is_sampled=window.is_sampled,
        pulled_at=window.pulled_at,
    )


def _covers(known: Sequence[KnownWindow], window: NewWindow) -> bool:
    """Whether every instant of the window was read before."""
    at = window.since
    for item in known:  # in the order of their beginnings
        if item.since > at:
            return False
        at = max(at, item.until)
    return at >= window.until


def _known(row: Sequence[Any]) -> KnownWindow:
    names = KnownWindow.__dataclass_fields__
    return KnownWindow(**{name: to_aware(value) for name, value in zip(names, row, strict=True)})


def _lists(spans: Spans) -> dict[str, list[datetime]]:
    return {
        "since": [to_naive(since) for since, _ in spans],
        "until": [to_naive(until) for _, until in spans],
    }
