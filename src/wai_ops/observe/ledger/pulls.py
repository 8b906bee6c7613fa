"""What a pull writes: rows, windows, mark, bodies and ratings of some windows in one transaction.

Two pulls may read the same stretch at once. Rows never double, since a row is known by its log id;
but a reading that is older than what is there would take late fields away again. So under the lock
every window is held against what was committed meanwhile, and an older reading is given back.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.core.prices import PriceBook
from wai_ops.observe.ledger.database import open_ledger_file, run, transaction, translated
from wai_ops.observe.ledger.gateway import Batch, Ingested, ingest_rows, refresh_rollups
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.pull_rows import RawRow, carry_over, write_rows
from wai_ops.observe.ledger.raw import tidy_raw
from wai_ops.observe.redact.engine import Redactor

_FIRST, _LAST = datetime(1970, 1, 1), datetime(9999, 1, 1)  # noqa: DTZ001 - the ledger's own


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
class Body:
    """A redacted body."""

    log_id: str
    created_at: datetime
    kind: str
    content: str
    is_truncated: bool
    redacted_count: int
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTool:
    """A tool call that a response body holds."""

    log_id: str
    tool_call_id: str | None
    tool_name: str
    tool_family: str
    arguments_sha256: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PullState:
    """How far one gateway's log has been read."""

    windows: Sequence[KnownWindow]
    mark: tuple[datetime, datetime] | None
    """From where, and through where without a hole."""


@dataclass(slots=True, kw_only=True)
class Committed:
    """What one commit did."""

    windows: list[KnownWindow] = field(default_factory=list)
    given_back: list[tuple[NewWindow, list[KnownWindow]]] = field(default_factory=list)
    """Readings that are older than what somebody else committed, with the newer windows."""
    ingested: Ingested | None = None
    late_row_count: int = 0
    late_field_count: int = 0
    """Of these windows, what an earlier reading of the same time lacked."""
    body_count: int = 0
    tool_call_count: int = 0
    through: datetime | None = None
    """So far the log has been read without a hole."""


@dataclass(frozen=True, slots=True)
class _Held:
    held_count: int
    pending_count: int
    has_usage_metadata: bool
    has_timings: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PullLedger:
    """The ledger as a pull of one gateway's log sees it. Every call takes the lock."""

    state_dir: Path
    clock: Clock
    gateway_id: str
    source: str
    target: str
    prices: PriceBook
    redactor: Redactor
    progress: Progress = ignore_progress

    def state(self) -> PullState:
        """Read windows and mark. Raises DataError."""
        with self._opened() as connection:
            rows = run(connection, "pulls/mark", **self._log)
            return PullState(
                windows=self._windows(connection, _FIRST, _LAST),
                mark=(to_aware(rows[0][0]), to_aware(rows[0][1])) if rows else None,
            )

    def held_counts(self, spans: Sequence[tuple[datetime, datetime]]) -> list[int]:
        """Rows that the ledger holds of each span, its end included. Raises DataError."""
        with self._opened() as connection:
            return [
                run(
                    connection,
                    "pulls/held_inclusive",
                    gateway_id=self.gateway_id,
                    since=to_naive(since),
                    until=to_naive(until),
                )[0][0]
                for since, until in spans
            ]

    def ratings(self, since: datetime, until: datetime) -> tuple[int, int]:
        """Rows held with feedback 1 and -1, the end included. Raises DataError."""
        with self._opened() as connection:
            found = run(
                connection,
                "pulls/feedback_held",
                gateway_id=self.gateway_id,
                since=to_naive(since),
                until=to_naive(until),
            )
            return found[0][0], found[0][1]

    def body_ids(self, since: datetime, until: datetime) -> frozenset[str]:
        """Log ids whose bodies are here. Raises DataError."""
        with self._opened() as connection:
            rows = run(
                connection, "pulls/bodies_known", since=to_naive(since), until=to_naive(until)
            )
            return frozenset(row[0] for row in rows)

    def commit(
        self, windows: Sequence[NewWindow], *, mark_since: datetime, spool: Path
    ) -> Committed:
        """Load the rows of these windows and note that they were read, all or nothing.

        `mark_since` is where the pull was asked to begin; `spool` is a file that may be written.
        Raises DataError.
        """
        committed = Committed()
        with self._opened() as connection, transaction(connection):
            accepted: list[tuple[NewWindow, list[KnownWindow]]] = []
            for window in windows:
                known = self._windows(connection, to_naive(window.since), to_naive(window.until))
                newer = [item for item in known if item.pulled_at > window.pulled_at]
                if newer:
                    committed.given_back.append((window, newer))
                else:
                    accepted.append((window, known))
            if accepted:
                self._load(connection, accepted, committed, spool)
            committed.through = self._mark(connection, mark_since)
        return committed

    def verified(self, spans: Sequence[tuple[datetime, datetime]], at: datetime) -> None:
        """Note that the windows within these spans hold what the source counted at `at`."""
        with self._opened() as connection, transaction(connection):
            for since, until in spans:
                run(
                    connection,
                    "pulls/window_verified",
                    **self._log,
                    since=to_naive(since),
                    until=to_naive(until),
                    at=to_naive(at),
                )

    def add_rows(
        self, rows: dict[str, RawRow], since: datetime, until: datetime, *, spool: Path
    ) -> Ingested | None:
        """Load rows outside of any window, such as rated ones. Raises DataError."""
        with self._opened() as connection, transaction(connection):
            self._carry_over(connection, rows, since, until)
            ingested = self._ingest(connection, list(rows.values()), spool)
            self._rate(connection, to_naive(since), to_naive(until))
        return ingested

    def finish(self) -> int:
        """Bring the day roll-ups up to date. Returns how many days were made anew."""
        with self._opened() as connection:
            tidy_raw(connection, self.state_dir)
            days: int = refresh_rollups(connection, self.clock)
            return days

    def _load(
        self,
        connection: duckdb.DuckDBPyConnection,
        accepted: list[tuple[NewWindow, list[KnownWindow]]],
        committed: Committed,
        spool: Path,
    ) -> None:
        spans = [(window.since, window.until) for window, _ in accepted]
        before = self._held(connection, spans)
        for window, known in accepted:
            if known:
                self._carry_over(connection, window.rows, window.since, window.until)
        rows = [row for window, _ in accepted for row in window.rows.values()]
        committed.ingested = self._ingest(connection, rows, spool)
        after = self._held(connection, spans)
        for (window, known), old, new in zip(accepted, before, after, strict=True):
            late_rows, late_fields = _late(window, known, old, new)
            committed.late_row_count += late_rows
            committed.late_field_count += late_fields
            found = _noted(window, known, new, late_rows, late_fields)
            run(
                connection,
                "pulls/window_delete",
                **self._log,
                since=to_naive(window.since),
                until=to_naive(window.until),
            )
            run(connection, "pulls/window_insert", **self._log, **_values(found))
            committed.windows.append(found)
        first, last = min(since for since, _ in spans), max(until for _, until in spans)
        new_windows = [window for window, _ in accepted]
        self._add_bodies(connection, new_windows, first, last)
        committed.body_count += sum(len(window.bodies) for window in new_windows)
        committed.tool_call_count += sum(len(window.tools) for window in new_windows)
        self._rate(connection, to_naive(first), to_naive(last))

    def _held(
        self, connection: duckdb.DuckDBPyConnection, spans: Sequence[tuple[datetime, datetime]]
    ) -> list[_Held]:
        rows = run(
            connection,
            "pulls/held",
            gateway_id=self.gateway_id,
            since=[to_naive(since) for since, _ in spans],
            until=[to_naive(until) for _, until in spans],
        )
        return [_Held(*row[1:]) for row in rows]

    def _carry_over(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: dict[str, RawRow],
        since: datetime,
        until: datetime,
    ) -> None:
        carry_over(
            connection,
            rows,
            gateway_id=self.gateway_id,
            since=to_naive(since),
            until=to_naive(until),
        )

    def _ingest(
        self, connection: duckdb.DuckDBPyConnection, rows: Sequence[RawRow], spool: Path
    ) -> Ingested | None:
        if not rows:
            return None
        # One file: DuckDB takes its time with every file that it opens.
        write_rows(rows, spool)
        batch = Batch(
            files=[spool],
            gateway_id=self.gateway_id,
            ingest_source=self.source,
            target=self.target,
            is_kept=True,
        )
        ingested = ingest_rows(
            connection,
            self.state_dir,
            self.clock,
            batch,
            prices=self.prices,
            redactor=self.redactor,
        )
        spool.unlink()
        return ingested

    def _add_bodies(
        self,
        connection: duckdb.DuckDBPyConnection,
        windows: Sequence[NewWindow],
        since: datetime,
        until: datetime,
    ) -> None:
        bodies = [body for window in windows for body in window.bodies]
        if not bodies:
            return
        log_ids = sorted({body.log_id for body in bodies})
        run(connection, "pulls/bodies_delete", log_ids=log_ids)
        run(connection, "pulls/bodies_insert", **_columns(bodies, Body))
        run(connection, "pulls/tools_delete", log_ids=log_ids)
        if tools := [tool for window in windows for tool in window.tools]:
            span = {"since": to_naive(since), "until": to_naive(until)}
            run(connection, "pulls/tools_insert", **_columns(tools, FoundTool), **span)
        removed: dict[str, int] = {}
        for window in windows:
            for kind, count in window.redacted.items():
                removed[kind] = removed.get(kind, 0) + count
        if removed:
            run(
                connection,
                "pulls/redaction_insert",
                origin=f"bodies of {self.gateway_id}",
                kind=list(removed),
                removed_count=list(removed.values()),
                redacted_at=to_naive(self.clock.now()),
            )

    def _rate(
        self, connection: duckdb.DuckDBPyConnection, since: datetime, until: datetime
    ) -> None:
        run(connection, "pulls/feedback_delete", since=since, until=until)
        run(connection, "pulls/feedback_insert", since=since, until=until)

    def _mark(self, connection: duckdb.DuckDBPyConnection, mark_since: datetime) -> datetime:
        """Move the mark as far as windows follow each other without a hole; return how far."""
        rows = run(connection, "pulls/mark", **self._log)
        since: datetime = min([mark_since, *(to_aware(row[0]) for row in rows)])
        through = since
        for window in self._windows(connection, to_naive(since), _LAST):
            if window.since > through:
                break
            through = max(through, window.until)
        run(connection, "pulls/mark_delete", **self._log)
        run(
            connection,
            "pulls/mark_insert",
            **self._log,
            since=to_naive(since),
            through=to_naive(through),
            marked_at=to_naive(self.clock.now()),
        )
        return through

    def _windows(
        self, connection: duckdb.DuckDBPyConnection, since: datetime, until: datetime
    ) -> list[KnownWindow]:
        rows = run(connection, "pulls/windows", **self._log, since=since, until=until)
        names = KnownWindow.__dataclass_fields__
        return [
            KnownWindow(**{name: to_aware(value) for name, value in zip(names, row, strict=True)})
            for row in rows
        ]

    @property
    def _log(self) -> dict[str, str]:
        return {"gateway_id": self.gateway_id, "source": self.source}

    def _opened(self) -> Any:
        return opened(self.state_dir, self.clock, self.progress)


@contextmanager
def opened(
    state_dir: Path, clock: Clock, progress: Progress = ignore_progress
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Hold the ledger for a moment, without folding anything. Raises DataError."""
    with (
        ledger_lock(state_dir, clock, progress=progress),
        open_ledger_file(state_dir, clock) as connection,
        translated(ledger_path(state_dir)),
    ):
        yield connection


def _late(
    window: NewWindow, known: Sequence[KnownWindow], old: _Held, new: _Held
) -> tuple[int, int]:
    """Rows and fields that an earlier reading of the whole window lacked."""
    if not _covers(known, window):
        return 0, 0
    return (
        max(0, new.held_count - old.held_count),
        max(0, old.pending_count - new.pending_count),
    )


def _noted(
    window: NewWindow, known: Sequence[KnownWindow], new: _Held, late_rows: int, late_fields: int
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


def _values(window: KnownWindow) -> dict[str, Any]:
    return {name: _plain(getattr(window, name)) for name in KnownWindow.__dataclass_fields__}


def _columns(rows: Sequence[Any], row_type: Any) -> dict[str, list[Any]]:
    return {
        name: [_plain(getattr(row, name)) for row in rows] for name in row_type.__dataclass_fields__
    }


def _plain(value: Any) -> Any:
    return to_naive(value) if isinstance(value, datetime) else value


def to_naive(at: datetime) -> datetime:
    """As the ledger writes times."""
    return at.astimezone(UTC).replace(tzinfo=None)


def to_aware(value: Any) -> Any:
    """A time of the ledger as everywhere else; any other value as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
