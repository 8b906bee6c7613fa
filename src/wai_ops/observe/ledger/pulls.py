"""What a pull writes: rows, windows, mark, bodies and ratings of some windows in one transaction.

Two pulls may read the same stretch at once. Rows never double, since a row is known by its log id;
but a reading that is older than what is there would take late fields away again. So under the lock
every window is held against what was committed meanwhile, and an older reading is given back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.core.prices import PriceBook
from wai_ops.observe.ledger.database import open_ledger_file, run, transaction, translated
from wai_ops.observe.ledger.gateway import Batch, Ingested, ingest_rows, refresh_rollups
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.naive import to_aware, to_naive
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.pull_bodies import add_bodies, add_redacted
from wai_ops.observe.ledger.pull_rows import RawRow, carry_over, write_rows
from wai_ops.observe.ledger.pull_windows import (
    FIRST,
    LAST,
    KnownWindow,
    NewWindow,
    WindowTable,
    late_of,
    noted,
)
from wai_ops.observe.ledger.raw import tidy_raw
from wai_ops.observe.redact.engine import Redactor


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
                windows=self._table(connection).between(FIRST, LAST),
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

        The windows share no instant, and have no rows afterwards. `mark_since` is where the pull
        was asked to begin; `spool` is a file that may be written. Raises DataError.
        """
        committed = Committed()
        with self._opened() as connection, transaction(connection):
            accepted: list[tuple[NewWindow, list[KnownWindow]]] = []
            table = self._table(connection)
            # In the order of time it takes less to see that no row came twice.
            windows = sorted(windows, key=_span)
            touched = table.touched_by([_span(window) for window in windows])
            for window, known in zip(windows, touched, strict=True):
                newer = [item for item in known if item.pulled_at > window.pulled_at]
                if newer:
                    committed.given_back.append((window, newer))
                else:
                    accepted.append((window, known))
            if accepted:
                self._load(connection, accepted, committed, spool)
            committed.through = table.move_mark(mark_since, self.clock.now())
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
        """Load rows outside of any window, such as rated ones; then roll-ups. Raises DataError."""
        with self._opened() as connection:
            with transaction(connection):
                self._carry_over(connection, rows, since, until)
                ingested = self._ingest(connection, [rows], spool)
            refresh_rollups(connection, self.clock)
            return ingested

    def finish(self, since: datetime, until: datetime) -> tuple[int, int]:
        """Bring the day roll-ups up to date, and count the rated rows of these times.

        Returns how many have feedback 1, and -1; the end is included. Raises DataError.
        """
        with self._opened() as connection:
            tidy_raw(connection, self.state_dir)
            refresh_rollups(connection, self.clock)
            found = run(
                connection,
                "pulls/feedback_held",
                gateway_id=self.gateway_id,
                since=to_naive(since),
                until=to_naive(until),
            )
            return found[0][0], found[0][1]

    def _load(
        self,
        connection: duckdb.DuckDBPyConnection,
        accepted: list[tuple[NewWindow, list[KnownWindow]]],
        committed: Committed,
        spool: Path,
    ) -> None:
        table = self._table(connection)
        new_windows = [window for window, _ in accepted]
        spans = [_span(window) for window in new_windows]
        again = [window for window, known in accepted if known]
        before = dict(zip(map(id, again), table.held([_span(w) for w in again]), strict=True))
        for window in again:
            self._carry_over(connection, window.rows, window.since, window.until)
        committed.ingested = self._ingest(connection, [w.rows for w in new_windows], spool)
        after = table.held(spans)
        for (window, known), new in zip(accepted, after, strict=True):
            late_rows, late_fields = late_of(window, known, before.get(id(window)), new)
            committed.late_row_count += late_rows
            committed.late_field_count += late_fields
            committed.windows.append(noted(window, known, new, late_rows, late_fields))
        table.replace(committed.windows)
        first = to_naive(min(since for since, _ in spans))
        last = to_naive(max(until for _, until in spans))
        bodies = [body for window in new_windows for body in window.bodies]
        tools = [tool for window in new_windows for tool in window.tools]
        add_bodies(connection, bodies, tools, since=first, until=last)
        add_redacted(
            connection,
            [window.redacted for window in new_windows],
            origin=f"bodies of {self.gateway_id}",
            at=to_naive(self.clock.now()),
        )
        committed.body_count += len(bodies)
        committed.tool_call_count += len(tools)

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
        self,
        connection: duckdb.DuckDBPyConnection,
        groups: Sequence[dict[str, RawRow]],
        spool: Path,
    ) -> Ingested | None:
        """Load rows. The groups are empty then: they need not be in memory twice."""
        if not any(groups):
            return None
        # One file: DuckDB takes its time with every file that it opens.
        write_rows(groups, spool)
        batch = Batch(
            files=[spool],
            gateway_id=self.gateway_id,
            ingest_source=self.source,
            target=self.target,
            is_kept=True,
            origins={spool: f"{self.source} of {self.gateway_id}"},
        )
        return ingest_rows(
            connection,
            self.state_dir,
            self.clock,
            batch,
            prices=self.prices,
            redactor=self.redactor,
        )

    def _table(self, connection: duckdb.DuckDBPyConnection) -> WindowTable:
        return WindowTable(connection, self.gateway_id, self.source)

    @property
    def _log(self) -> dict[str, str]:
        return {"gateway_id": self.gateway_id, "source": self.source}

    def _opened(self) -> Any:
        return opened(self.state_dir, self.clock, self.progress)


def _span(window: NewWindow) -> tuple[datetime, datetime]:
    return window.since, window.until


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
