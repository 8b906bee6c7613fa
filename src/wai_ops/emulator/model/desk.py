"""Places on the replicas: asks the pure line who may run, and keeps the others waiting."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from wai_ops.core.clock import Clock
from wai_ops.emulator.answers import ClientGoneError
from wai_ops.emulator.backends.base import Cancel
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.knobs import Capacity
from wai_ops.emulator.model.capacity import Bounds, Line, Place
from wai_ops.emulator.model.waiting import Alarm, resolve, wait_for

Key = tuple[str, int]
"""A model and one of its replicas."""
_Ticket = asyncio.Future[None]


def out_of_capacity() -> ApiError:
    """Nobody can take the call now."""
    return ApiError(429, 3040, "AiError: Capacity temporarily exceeded, please try again.")


@dataclass(frozen=True, slots=True)
class Load:
    """What one replica of one model is busy with."""

    running: int
    waiting: int


class Desk:
    """All lines. Only for the event loop's thread."""

    def __init__(self, capacity: Capacity, *, clock: Clock, alarm: Alarm) -> None:
        """Nobody is here."""
        self._capacity = capacity
        self._clock = clock
        self._alarm = alarm
        self._lines: dict[Key, Line[_Ticket]] = {}

    def adjust(self, capacity: Capacity) -> None:
        """Change the bounds; who can run now does."""
        self._capacity = capacity
        for line in self._lines.values():
            _wake(line.adjust(self._bounds()))

    def has_room(self, key: Key) -> bool:
        """Whether a call would run there at once."""
        return self._line(key).has_room

    def loads(self) -> dict[Key, Load]:
        """Every replica that was ever used."""
        return {key: Load(line.running, line.waiting) for key, line in self._lines.items()}

    async def enter(self, key: Key, *, may_wait: bool, cancel: Cancel) -> Callable[[], None]:
        """Get a place, now or later. Returns how to give it back, which is harmless twice.

        Raises 3040 when there is none in time, ClientGoneError when nobody waits for it any more.
        """
        line = self._line(key)
        ticket: _Ticket = asyncio.get_running_loop().create_future()
        place = line.arrive(ticket, may_wait=may_wait)
        if place is Place.REFUSED:
            raise out_of_capacity()
        if place is Place.WAITS:
            await self._wait(line, ticket, cancel)
        has_left = False

        def leave() -> None:
            nonlocal has_left
            if not has_left:
                has_left = True
                _wake(line.leave())

        return leave

    async def _wait(self, line: Line[_Ticket], ticket: _Ticket, cancel: Cancel) -> None:
        wait_ms = self._capacity.queue_wait_ms
        until = None if wait_ms is None else self._clock.monotonic() + wait_ms / 1000
        cancel.waiter = ticket
        try:
            await wait_for(ticket, until, self._alarm)
        except asyncio.CancelledError:
            if not line.give_up(ticket):  # it had just been given a place
                _wake(line.leave())
            raise
        finally:
            cancel.waiter = None
        # The ticket is done because of a place, the time or the client. Only who still stands in
        # the line has got no place.
        has_place = not line.give_up(ticket)
        if cancel.requested:
            if has_place:
                _wake(line.leave())
            raise ClientGoneError
        if not has_place:
            raise out_of_capacity()

    def _line(self, key: Key) -> Line[_Ticket]:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self._bounds())
        return line

    def _bounds(self) -> Bounds:
        return Bounds(self._capacity.concurrency, self._capacity.queue_length)


def _wake(tickets: list[_Ticket]) -> None:
    for ticket in tickets:
        resolve(ticket)
