"""The web server in a thread of its own: uvicorn, with a quicker start and stop."""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wai_ops.core.errors import RemoteError
from wai_ops.emulator.fault_wire import TRANSPORT

_GRACE_S = 3.0
"""How long answers under way may take to finish once the server is told to stop."""
_KEEP_ALIVE_S = 75
_log = logging.getLogger(__name__)


class _Protocol(HttpToolsProtocol):
    """uvicorn's own, whose requests know their connection, so that a fault can break it."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TRANSPORT] = self.transport


class _Server(uvicorn.Server):
    """uvicorn looks ten times a second whether to stop; this one is told."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def request_stop(self) -> None:
        """Begin to stop; from any thread."""
        self.should_exit = True
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def main_loop(self) -> None:
        """Renew the Date header once a second until told to stop."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        should_exit = await self.on_tick(0)
        self._on_started()
        while not should_exit:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 1)
            should_exit = await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close idle connections at once; let answers under way finish, within the grace."""
        del sockets  # the one who opened the listening socket closes it
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = set(self.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE_S)
        # Who is still there sees the connection break, and the answer ends as if the client left.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if late := {task for task in tasks if not task.done()}:
            _, stuck = await asyncio.wait(late, timeout=_GRACE_S)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
        while self.server_state.connections:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0)


class ServerThread:
    """One running server."""

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        *,
        is_embedded: bool,
        on_death: Callable[[], None],
    ) -> None:
        """`on_death` is called when the thread ends, asked for or not."""
        config = uvicorn.Config(
            app,
            # Inside another command the standard loop starts sooner; on its own uvloop is faster.
            loop="asyncio" if is_embedded else "auto",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        self.failure: BaseException | None = None
        self._ready = threading.Event()
        self._server = _Server(config, self._ready.set)
        self._listener = listener
        self._on_death = on_death
        self._is_embedded = is_embedded
        self._thread = threading.Thread(target=self._run, name="emulator-server", daemon=True)

    def start(self) -> None:
        """Return when the server answers. Raises RemoteError when it does not come up."""
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        self._thread.start()
        self._ready.wait()
        if self.failure is not None:
            raise RemoteError(f"the emulator did not start: {self.failure}") from self.failure
        if not self._is_embedded:
            # What is here now stays: passing over all of it again and again would stop every
            # stream for some 70 ms each time. Inside another command that is not ours to do.
            gc.freeze()

    def stop(self) -> None:
        """Stop and wait for the end."""
        self._server.request_stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except BaseException as error:  # noqa: BLE001 - reported by the thread that waits
            self.failure = error
            _log.debug("the server thread failed", exc_info=True)
        finally:
            self._ready.set()
            self._on_death()
