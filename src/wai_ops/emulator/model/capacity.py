"""Who runs and who waits on one replica of one model: pure, first come, first served."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """None: no limit."""

    concurrency: int | None = None
    queue_length: int | None = None


class Place(Enum):
    """What an arrival gets."""

    RUNS = "runs"
    WAITS = "waits"
    REFUSED = "refused"


class Line(Generic[T]):
    """One replica. Every ticket that runs must `leave`; one that waits may `give_up`."""

    def __init__(self, bounds: Bounds) -> None:
        """Nobody is here."""
        self.running = 0
        self._bounds = bounds
        self._waiting: deque[T] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether an arrival would run at once."""
        limit = self._bounds.concurrency
        return not self._waiting and (limit is None or self.running < limit)

    def arrive(self, ticket: T, *, may_wait: bool) -> Place:
        """Take a place, or none."""
        if self.has_room:
            self.running += 1
            return Place.RUNS
        length = self._bounds.queue_length
        if not may_wait or (length is not None and len(self._waiting) >= length):
            return Place.REFUSED
        self._waiting.append(ticket)
        return Place.WAITS

    def leave(self) -> list[T]:
        """One that ran has ended. Returns who runs instead."""
        self.running -= 1
        return self._fill()

    def give_up(self, ticket: T) -> bool:
        """Stop waiting; false for a ticket that does not wait (any more)."""
        try:
            self._waiting.remove(ticket)
        except ValueError:
            return False
        return True

    def adjust(self, bounds: Bounds) -> list[T]:
        """Change the bounds for whoever comes from now on. Returns who runs thereby."""
        self._bounds = bounds
        return self._fill()

    def _fill(self) -> list[T]:
        limit = self._bounds.concurrency
        admitted = []
        while self._waiting and (limit is None or self.running < limit):
            admitted.append(self._waiting.popleft())
            self.running += 1
        return admitted
