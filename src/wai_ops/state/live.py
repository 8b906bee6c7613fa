"""Live state: what many processes write at once. SQLite in WAL mode, one short transaction a step.

The promise: what was acknowledged is never lost, whatever is killed. An attempt is announced
before its first byte leaves (`announce`) and sealed with its outcome (`seal`), which moves it from
`inflight` to `outbox` in one transaction. If the process dies between the two, `reconcile` seals
it as "outcome unknown". The fold empties the outbox into the ledger by sequence number.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from wai_ops.core.clock import Clock, SystemClock, to_utc_text
from wai_ops.core.failures import FailureClass
from wai_ops.core.health import Health
from wai_ops.core.ids import uuid7
from wai_ops.core.money import CostState
from wai_ops.state.database import FILE_NAME, open_database, translated
from wai_ops.state.owner import current_owner, is_alive

ATTEMPT = "attempt"
SESSION = "session"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One finished fact: its place in the order, its kind, and its JSON text."""

    seq: int
    kind: str
    payload: str


class LiveState:
    """One open connection to `state.sqlite`. Not shared between threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
        """Use `open`."""
        self._connection = connection
        self._clock = clock
        self.path = path
        self.owner = current_owner()

    @classmethod
    def open(cls, state_dir: Path, *, clock: Clock) -> Self:
        """Open or create the live state of a folder. Raises DataError."""
        path = state_dir / FILE_NAME

        def initialise(connection: sqlite3.Connection) -> None:
            rows = [("outbox_id", uuid7(clock.now())), ("affinity_secret", os.urandom(32).hex())]
            connection.executemany("insert into meta (key, value) values (?, ?)", rows)

        return cls(open_database(path, initialise), path, clock)

    @staticmethod
    def exists(state_dir: Path) -> bool:
        """Say whether the folder has a live state. Raises DataError if it may not be seen."""
        path = state_dir / FILE_NAME
        with translated(path):
            return path.exists()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    @contextmanager
    def write(self) -> Iterator[None]:
        """One atomic step: everything in the block is committed together or not at all."""
        with translated(self.path):
            self._connection.execute("begin immediate")
            try:
                yield
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:  # SQLite rolls back by itself on a full disk
                    self._connection.execute("rollback")
                raise

    @property
    def is_writing(self) -> bool:
        """Whether this is inside of a `write()`."""
        return self._connection.in_transaction

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run one statement of this plane's own modules. Raises DataError."""
        with translated(self.path):
            return self._connection.execute(sql, parameters)

    @property
    def outbox_id(self) -> str:
        """The id of this outbox: constant for the file's life."""
        return self._meta("outbox_id")

    @property
    def affinity_secret(self) -> bytes:
        """The key that hides tenant names in the affinity header."""
        return bytes.fromhex(self._meta("affinity_secret"))

    def _meta(self, key: str) -> str:
        row = self.execute("select value from meta where key = ?", (key,)).fetchone()
        value: str = row[0]
        return value

    # Attempts. Call inside `write()`.

    def announce(self, attempt_id: str, record: dict[str, Any]) -> None:
        """Note that an attempt is about to be sent; `record` is what is known of it so far."""
        self.execute(
            "insert into inflight (attempt_id, owner, payload) values (?, ?, ?)",
            (attempt_id, self.owner, _encode(record)),
        )

    def seal(self, attempt_id: str, record: dict[str, Any]) -> None:
        """Replace an announced attempt by its outcome."""
        self.execute("delete from inflight where attempt_id = ?", (attempt_id,))
        self.append(ATTEMPT, record)

    def append(self, kind: str, payload: dict[str, Any]) -> None:
        """Add one fact to the outbox."""
        self.execute("insert into outbox (kind, payload) values (?, ?)", (kind, _encode(payload)))

    def announced(self) -> list[dict[str, Any]]:
        """What is known of the attempts that are in flight, the first announced first."""
        rows = self.execute("select payload from inflight order by rowid").fetchall()
        return [json.loads(payload) for (payload,) in rows]

    # The fold's side.

    def reconcile(self, alive: Callable[[str], bool] = is_alive) -> int:
        """Seal the attempts, and close the turns, of processes that died; return how many.

        What the provider did with such an attempt is unknown, so its cost is unknown too, and what
        was set aside for it counts as spent.
        """
        if not self.execute(
            "select exists (select 1 from inflight) or exists "
            "(select 1 from turn where state = 'open') or exists "
            "(select 1 from reservation where state = 'open')"
        ).fetchone()[0]:
            return 0
        with self.write():
            lost = [
                (attempt_id, payload)
                for attempt_id, owner, payload in self.execute(
                    "select attempt_id, owner, payload from inflight"
                ).fetchall()
                if not alive(owner)
            ]
            for attempt_id, payload in lost:
                self.seal(attempt_id, json.loads(payload) | _LOST)
            owners = self.execute("select distinct owner from turn where state = 'open'").fetchall()
            for (owner,) in owners:
                if not alive(owner):
                    self.execute(
                        "update turn set state = 'lost', finished_at = ? "
                        "where state = 'open' and owner = ?",
                        (to_utc_text(self._clock.now()), owner),
                    )
            owners = self.execute(
                "select distinct owner from reservation where state = 'open'"
            ).fetchall()
            for (owner,) in owners:
                if not alive(owner):
                    # What it cost is as unknown as what became of it: all of it counts as spent.
                    self.execute(
                        "update reservation set state = 'unknown' "
                        "where state = 'open' and owner = ?",
                        (owner,),
                    )
        return len(lost)

    def sealed(self, *, after: int, limit: int | None = None) -> Iterator[OutboxRow]:
        """Yield outbox rows with a larger sequence number, ascending."""
        with translated(self.path):
            rows = self._connection.execute(
                "select seq, kind, payload from outbox where seq > ? order by seq limit ?",
                (after, -1 if limit is None else limit),
            )
            for row in rows:
                yield OutboxRow(*row)

    def drop_through(self, seq: int) -> int:
        """Delete the rows up to and including `seq`: the ledger holds them. Return how many."""
        with self.write():
            return self.execute("delete from outbox where seq <= ?", (seq,)).rowcount

    def counts(self) -> tuple[int, int]:
        """Return how many rows wait in the outbox and how many attempts are in flight."""
        row = self.execute(
            "select (select count(*) from outbox), (select count(*) from inflight)"
        ).fetchone()
        return row[0], row[1]


_LOST = {
    "error_type": FailureClass.UNKNOWN.value,
    "error_message": "the process ended before the outcome was recorded",
    "cost_state": CostState.UNKNOWN.value,
    "cost_usd": None,
    "neurons": None,
}


def check_health(state_dir: Path, clock: Clock | None = None) -> Health:
    """Say whether the live state can be opened, read and written, and what waits in it."""
    if not LiveState.exists(state_dir):
        return Health("ok", "no live state yet: the first run creates it")
    with LiveState.open(state_dir, clock=clock or SystemClock()) as live:
        with live.write():
            problem = live.execute("pragma quick_check(1)").fetchone()[0]
        if problem != "ok":
            return Health("failed", f"{live.path} is damaged: {problem}", "move it away")
        waiting, inflight = live.counts()
        return Health("ok", f"{waiting} rows wait for the ledger, {inflight} attempts in flight")


def _encode(payload: dict[str, Any]) -> str:
    return json.dumps(payload, separators=(",", ":"))
