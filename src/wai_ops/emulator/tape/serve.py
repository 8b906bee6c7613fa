"""Running the recorder or the replayer until a signal."""

import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import RemoteError, UsageError
from wai_ops.emulator.backends.choose import INSTALL_HINT
from wai_ops.emulator.endpoint import HOST
from wai_ops.emulator.server import listen

Ready = Callable[[str, str], None]
"""Told the base address (`http://127.0.0.1:PORT`) and the token, which a recorder has none of."""


def record(*, target: str, file: Path, port: int, on_ready: Ready) -> int:
    """Record until SIGINT or SIGTERM. Returns how many exchanges were kept.

    Raises UsageError (target, port, an existing file) or DataError (the file cannot be written).
    """
    with ExitStack() as stack:
        try:
            from wai_ops.emulator.tape.record import Recorder
        except ImportError as error:
            raise _missing(error) from error
        recorder = Recorder(target, file, SystemClock())
        stack.callback(recorder.close)
        _run(recorder, port, lambda address: on_ready(address + recorder.target.path, ""), stack)
    return recorder.count


def replay(*, file: Path, port: int, speed: float, on_ready: Ready) -> None:
    """Serve a recording until SIGINT or SIGTERM. Raises UsageError or DataError."""
    with ExitStack() as stack:
        try:
            from wai_ops.emulator.tape.format import load_recording
            from wai_ops.emulator.tape.replay import Replayer
        except ImportError as error:
            raise _missing(error) from error
        token = f"local-replay-{secrets.token_urlsafe(24)}"
        app = Replayer(load_recording(file), token=token, speed=speed, clock=SystemClock())
        _run(app, port, lambda address: on_ready(address, token), stack)


def _run(app: Any, port: int, on_ready: Callable[[str], None], stack: ExitStack) -> None:
    try:
        from wai_ops.emulator.loop import ServerThread
    except ImportError as error:
        raise _missing(error) from error
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        previous = signal.signal(number, lambda *_: stop.set())
        stack.callback(signal.signal, number, previous)
    with listen(port) as listener:
        server = ServerThread(app, listener, is_embedded=False, on_death=stop.set)
        server.start()
        try:
            on_ready(f"http://{HOST}:{listener.getsockname()[1]}")
            stop.wait()
        finally:
            server.stop()
        if server.failure is not None:
            raise RemoteError(f"the server stopped: {server.failure}")


def _missing(error: ImportError) -> UsageError:
    return UsageError(
        f"the emulator needs packages that are not installed: {error.name}", hint=INSTALL_HINT
    )
