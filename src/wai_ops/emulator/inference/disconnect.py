"""Noticing that the client has gone, while its answer is being made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wai_ops.emulator.answers import ClientGoneError, Receive
from wai_ops.emulator.backends.base import Cancel


class Client:
    """The one who waits, and the switch of the attempt under way."""

    def __init__(self) -> None:
        """Still there."""
        self.is_gone = False
        self._cancel = Cancel()

    def begin(self) -> Cancel:
        """The switch of a new attempt. Raises ClientGoneError when nobody waits for it."""
        if self.is_gone:
            raise ClientGoneError
        self._cancel = Cancel()
        return self._cancel

    def leave(self) -> None:
        """The connection has closed."""
        self.is_gone = True
        self._cancel.requested = True


@asynccontextmanager
async def watch_client(receive: Receive, client: Client) -> AsyncIterator[None]:
    """Tell `client` when the connection closes before the block ends."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass  # what comes after the body is of no interest
        client.leave()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
