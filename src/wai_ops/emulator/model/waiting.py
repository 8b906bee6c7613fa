"""Waiting for a moment or for somebody, whichever comes first: the one place that knows the loop's
timers. Tests put a clock of their own in.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from wai_ops.core.clock import Clock


class Handle(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Forget it."""
        ...


Alarm = Callable[[float, Callable[[], None]], Handle]
"""Calls back at an absolute time of the clock's `monotonic`."""


def loop_alarm(clock: Clock) -> Alarm:
    """The alarm of the running event loop."""

    def set_alarm(at: float, callback: Callable[[], None]) -> Handle:
        loop = asyncio.get_running_loop()
        return loop.call_later(max(0.0, at - clock.monotonic()), callback)

    return set_alarm


async def wait_for(future: "asyncio.Future[None]", at: float | None, alarm: Alarm) -> None:
    """Return when `future` is done or the time has come; the future is done then in any case."""
    handle = None if at is None else alarm(at, lambda: resolve(future))
    try:
        await future
    finally:
        if handle is not None:
            handle.cancel()


def resolve(future: "asyncio.Future[None]") -> None:
    """Wake whoever waits."""
    if not future.done():
        future.set_result(None)
