"""Committed changes are not in force everywhere at once: requests meet the older policies."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Propagation(Generic[T]):
    """The policies of one gateway as requests see them: those of a while ago."""

    def __init__(self, initial: Sequence[T] = ()) -> None:
        """`initial` is in force at once: what was stored before the emulator started."""
        self._seen = tuple(initial)
        self._coming: list[tuple[datetime, tuple[T, ...]]] = []

    def commit(self, policies: Sequence[T], now: datetime, *, delay_s: float = 0.0) -> None:
        """All policies after a change. It takes the place of changes that would be seen later."""
        due = now + timedelta(seconds=delay_s)
        self._coming = [change for change in self._coming if change[0] < due]
        self._coming.append((due, tuple(policies)))

    def seen(self, now: datetime) -> tuple[T, ...]:
        """What a request meets now."""
        while self._coming and self._coming[0][0] <= now:
            self._seen = self._coming.pop(0)[1]
        return self._seen
