"""What was read and waits for its commit, and how much of it before reading waits."""

import threading
from dataclasses import dataclass

from wai_ops.observe.ingest.bodies import FoundBodies
from wai_ops.observe.ingest.reading import Reading
from wai_ops.observe.ledger.pull_windows import NewWindow

_ROW_CHARACTERS = 1000
"""A row is about a kilobyte."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A window that was read."""

    reading: Reading
    found: FoundBodies

    @property
    def weight(self) -> int:
        """How much memory it takes, in rows: its rows, until they are committed, and bodies."""
        bodies = sum(len(body.content) for body in self.found.bodies)
        return len(self.reading.rows) + bodies // _ROW_CHARACTERS

    def to_new(self) -> NewWindow:
        """As it is committed."""
        reading = self.reading
        return NewWindow(
            since=reading.span.since,
            until=reading.span.until,
            row_count=len(reading.rows),
            reported_count=reading.reported_count,
            page_count=reading.page_count,
            duplicate_count=reading.duplicate_count,
            is_sampled=reading.is_sampled,
            pulled_at=reading.started_at,
            rows=reading.rows,
            bodies=self.found.bodies,
            tools=self.found.tools,
            redacted=self.found.redacted,
        )


class Room:
    """Counts what waits. For several threads.

    Nobody knows how large a window is before it is read, so that whoever reads already may still
    add it: what waits is never more than `most` and one window a thread.
    """

    def __init__(self, most: int) -> None:
        """Let less than `most` wait, in whatever unit."""
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    def wait(self, *, timeout_s: float) -> bool:
        """Whether there is any room left, at the latest after so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._taken < self._most, timeout_s)

    def fill(self, amount: int) -> None:
        """So much was read."""
        with self._changed:
            self._taken += amount

    def clear(self, amount: int) -> None:
        """So much of it is committed."""
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()
