"""Noticing that the client has gone, while its answer is being made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wai_ops.emulator.answers import Receive
from wai_ops.emulator.backends.base import Cancel


@asynccontextmanager
async def watch_client(receive: Receive, cancel: Cancel) -> AsyncIterator[None]:
    """Set `cancel` when the connection closes before the block ends."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass  # what comes after the body is of no interest
        cancel.requested = True

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
