"""Starting and stopping the emulator: for a whole shell session, or inside another command.

Importing this module is cheap; the web server is imported when one is started.
"""

import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from wai_ops.core.errors import DataError, RemoteError, UsageError
from wai_ops.emulator.endpoint import (
    HOST,
    Endpoint,
    read_endpoint,
    remove_endpoint,
    running_endpoint,
    write_endpoint,
)
from wai_ops.emulator.identity import Identity

__all__ = ["Endpoint", "embedded", "running_endpoint", "serve"]


def serve(
    state_dir: Path,
    *,
    port: int = 0,
    backend: str = "scripted",
    config: Path | None = None,
    conformance: bool = False,
    on_ready: Callable[[Endpoint], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is under way and return.

    `config` is an `emulator.yaml`; with `conformance` the official client's own tests are let in by
    the key that they hold. Raises UsageError (port in use, unknown backend, packages
    missing, wrong knobs), DataError (state damaged, or this folder is served already). Only for
    the main thread, because of the signals.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, on_signal))
        _claim(state_dir, stack)
        endpoint = stack.enter_context(
            _running(
                state_dir,
                port=port,
                backend=backend,
                config=config,
                conformance=conformance,
                is_embedded=False,
                on_death=stop.set,
            )
        )
        write_endpoint(state_dir, endpoint)
        stack.callback(remove_endpoint, state_dir)
        on_ready(endpoint)
        stop.wait()


@contextmanager
def embedded(
    state_dir: Path,
    *,
    backend: str = "scripted",
    config: Path | None = None,
) -> Iterator[Endpoint]:
    """Serve from a background thread for the length of a block, on a free loopback port.

    Many processes may do so on one folder at once. Raises as `serve`.
    """
    with _running(
        state_dir,
        port=0,
        backend=backend,
        config=config,
        is_embedded=True,
        on_death=lambda: None,
    ) as endpoint:
        yield endpoint


def _require_packages() -> None:
    """Raise UsageError when the extra is not installed."""
    try:
        import wai_ops.emulator.app
        import wai_ops.emulator.loop  # noqa: F401 - the web server
    except ImportError as error:
        from wai_ops.emulator.backends.choose import INSTALL_HINT

        raise UsageError(
            f"the emulator needs packages that are not installed: {error.name}", hint=INSTALL_HINT
        ) from error


def _claim(state_dir: Path, stack: ExitStack) -> None:
    """Make this process the one server of the folder. Raises DataError when there is one."""
    import fcntl

    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state_dir / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataError(
            f"the emulator's state folder cannot be used: {error.strerror}",
            where=str(error.filename or state_dir),
            hint="give a folder that you can write to with --state",
        ) from error
    stack.callback(os.close, lock)  # the system lets go of the lock when the process dies
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = read_endpoint(state_dir)
        who = "another process" if other is None else f"process {other.pid} at {other.base_url}"
        raise DataError(
            f"this state folder is already served by {who}",
            where=str(state_dir),
            hint='use that one: eval "$(wai emulator env)", or give another folder with --state',
        ) from None


@contextmanager
def _running(
    state_dir: Path,
    *,
    port: int,
    backend: str,
    config: Path | None,
    conformance: bool = False,
    is_embedded: bool,
    on_death: Callable[[], None],
) -> Iterator[Endpoint]:
    """A server in a background thread. On leaving, it finishes, and all log rows are on disk."""
    with ExitStack() as stack:
        listener = stack.enter_context(listen(port))
        app, identity = stack.enter_context(
            opened_app(state_dir, backend=backend, config=config, conformance=conformance)
        )
        endpoint = stack.enter_context(
            serving(app, identity, listener, is_embedded=is_embedded, on_death=on_death)
        )
        yield endpoint


@contextmanager
def opened_app(
    state_dir: Path,
    *,
    backend: str = "scripted",
    config: Path | None = None,
    conformance: bool = False,
    identity: Identity | None = None,
) -> Iterator[tuple[Any, Identity]]:
    """The emulator as an ASGI application on a state folder, and whose account it serves.

    `identity` is for a folder that is made now; None: a new account. Raises as `serve`.
    """
    _require_packages()
    from wai_ops.core.clock import SystemClock
    from wai_ops.core.prices import PriceBook, built_in
    from wai_ops.emulator.app import App
    from wai_ops.emulator.backends.choose import open_backend
    from wai_ops.emulator.gateway.budget_file import load_budgets, save_budgets
    from wai_ops.emulator.gateway.settings import Gateways
    from wai_ops.emulator.knobs import Knobs
    from wai_ops.emulator.knobs_file import live_knobs, load_config
    from wai_ops.emulator.replicas import Replicas
    from wai_ops.emulator.services import Services
    from wai_ops.emulator.store import open_store
    from wai_ops.emulator.warmth import load_warmth, save_warmth

    with ExitStack() as stack:
        knobs = live_knobs(state_dir, Knobs() if config is None else load_config(config))
        replicas = Replicas(
            rng=random.Random(knobs.current.latency.seed),  # noqa: S311 - not for secrets
            count=knobs.current.capacity.replicas,
        )
        engine = open_backend(backend, replicas=replicas.count)
        stack.callback(engine.close)
        store = open_store(state_dir, identity=identity)
        stack.callback(store.close)
        clock = SystemClock()
        load_warmth(state_dir, replicas, now=clock.monotonic())
        stack.callback(save_warmth, state_dir, replicas)
        services = Services(
            clock=clock,
            book=PriceBook([built_in()]),
            store=store,
            gateways=Gateways(store, clock),
            replicas=replicas,
            backend=engine,
            knobs=knobs,
        )
        load_budgets(state_dir, services.budgets)
        stack.callback(save_budgets, state_dir, services.budgets)
        app: Any = App(services)
        if conformance:
            from wai_ops.emulator.control.conformance import ConformanceDoor

            app = ConformanceDoor(app, services)
        yield app, store.identity


@contextmanager
def serving(
    app: Any,
    identity: Identity,
    listener: socket.socket,
    *,
    is_embedded: bool = True,
    on_death: Callable[[], None] = lambda: None,
) -> Iterator[Endpoint]:
    """An application, served from a background thread for the length of a block."""
    from wai_ops.emulator.app import API
    from wai_ops.emulator.gateway.settings import DEFAULT_GATEWAY
    from wai_ops.emulator.loop import ServerThread

    server = ServerThread(app, listener, is_embedded=is_embedded, on_death=on_death)
    server.start()
    try:
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        yield Endpoint(
            base_url=address + API,
            gateway_base_url=f"{address}/v1",
            account_id=identity.account_id,
            gateway_id=DEFAULT_GATEWAY,
            tokens=identity.tokens,
            pid=os.getpid(),
        )
    finally:
        server.stop()
    if server.failure is not None:
        raise RemoteError(f"the emulator stopped: {server.failure}")


def listen(port: int) -> socket.socket:
    """Take a port of the loopback address; 0: any free one. Raises UsageError."""
    # The protocol is named because asyncio switches Nagle's algorithm off only where it reads TCP
    # here; left unnamed, each answer on a kept connection would wait 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"cannot listen on port {port} of {HOST}: {reason}",
            hint="choose another with --port, or 0 for any free one",
        ) from error
    return listener
