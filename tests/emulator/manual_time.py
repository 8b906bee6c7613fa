"""A clock for tests that moves only when it is told to."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


class ManualTime:
    """A clock whose alarms ring when a test moves it."""

    def __init__(self) -> None:
        self.at = 0.0
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._ids = itertools.count()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def alarm(self, at: float, callback: Callable[[], None]) -> Any:
        number = next(self._ids)
        heapq.heappush(self._alarms, (at, number, callback))
        time = self

        class Handle:
            def cancel(self) -> None:
                time._cancelled.add(number)

        return Handle()

    @property
    def pending(self) -> int:
        return sum(number not in self._cancelled for _, number, _ in self._alarms)

    async def move_to(self, at: float) -> None:
        """Ring everything due until then, in order, and let the tasks run."""
        await settle()
        while self._alarms and self._alarms[0][0] <= at:
            due, number, callback = heapq.heappop(self._alarms)
            if number not in self._cancelled:
                self.at = max(self.at, due)
                callback()
                await settle()
        self.at = max(self.at, at)
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something outside."""
    for _ in range(20):
        await asyncio.sleep(0)
