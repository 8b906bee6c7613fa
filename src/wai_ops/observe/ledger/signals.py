"""Ctrl-C and SIGTERM while DuckDB works: not in the middle of a statement, but right after it.

A Python signal handler that raises inside DuckDB turns into a RuntimeError that no longer says
which signal it was, and a COPY that is stopped that way can wait for itself forever. So the handler
only takes note while a statement runs; what the program wants to do about it is done afterwards.
A statement of the fold takes about a second at most. A query that only reads is stopped at once.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_S = 0.02


@contextmanager
def deferred_signals(stop: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep the program's handlers waiting until the block is left; `stop` may end it early."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread alone
        return
    caught: list[tuple[int, FrameType | None]] = []
    left = threading.Event()
    stoppers: list[threading.Thread] = []

    def note(signal_number: int, frame: FrameType | None) -> None:
        caught.append((signal_number, frame))
        if stop is not None and len(caught) == 1:
            stopper = threading.Thread(target=_keep_stopping, args=(stop, left), daemon=True)
            stoppers.append(stopper)
            stopper.start()

    before = {
        int(number): handler
        for number in _SIGNALS
        if (handler := signal.getsignal(number)) is not None  # None: not Python's, to be left alone
    }
    try:
        for number in before:
            signal.signal(number, note)
        yield
    finally:
        left.set()
        for stopper in stoppers:
            stopper.join()
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, frame in caught[:1]:
            handler = before[number]
            if callable(handler):
                handler(number, frame)  # usually raises, and so replaces what DuckDB said
            else:
                signal.raise_signal(number)


def _keep_stopping(stop: Callable[[], None], left: threading.Event) -> None:
    """Stop again and again: DuckDB forgets an interruption that comes before the query begins."""
    stop()
    while not left.wait(_AGAIN_S):
        stop()
