"""Ctrl-C and SIGTERM while DuckDB works: short statements end, long ones and queries stop at once.

A Python signal handler that raises inside DuckDB turns into a RuntimeError that no longer says
which signal it was, and a COPY that is stopped that way can wait for itself forever. So while a
statement of the fold runs, the handler only takes note, and what the program wants to do about it
is done afterwards; such a statement takes about a second at most.

A query may take much longer, and so may loading a large file. DuckDB does not always look for
signals while it runs. So these run in a thread of their own, and the main thread is free to hear.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

_T = TypeVar("_T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_S = 0.02
_LISTEN_S = 0.1


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Keep the program's handlers waiting until the block is left."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread alone
        return
    caught: list[tuple[int, FrameType | None]] = []

    def note(signal_number: int, frame: FrameType | None) -> None:
        caught.append((signal_number, frame))

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
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, frame in caught[:1]:
            handler = before[number]
            if callable(handler):
                handler(number, frame)  # usually raises, and so replaces what DuckDB said
            else:
                signal.raise_signal(number)


def interruptible(query: Callable[[], _T], interrupt: Callable[[], None]) -> _T:
    """Run what may be stopped anywhere; whatever a signal raises stops it, and is raised here.

    `interrupt` is called until the query has ended: DuckDB forgets one that comes too early.
    """
    results: list[_T] = []
    failures: list[BaseException] = []
    # Not the thread's own `join`: one that is interrupted takes a running thread for ended.
    ended = threading.Event()

    def work() -> None:
        try:
            results.append(query())
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            failures.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=work, name="ledger-query", daemon=True)
    try:
        thread.start()
        # A signal that comes just before the wait, or that another thread is given, does not end
        # it: so the wait ends by itself now and then, and the handler gets its turn.
        while not ended.wait(_LISTEN_S):
            pass
    except BaseException:
        while thread.ident is not None and not ended.wait(_AGAIN_S):
            interrupt()
        raise
    if failures:
        raise failures[0]
    return results[0]
