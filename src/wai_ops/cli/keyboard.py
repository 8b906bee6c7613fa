"""Ctrl-C while a person types, without the moment in which it is lost.

A signal that comes after Python last looked for one and before the read began leaves the program
waiting for the next key. A line editor therefore gets Ctrl-C as a key of its own (`InterruptKey`),
and a plain line is waited for together with the pipe that signals wake (`typed_line`).
"""

import os
import select
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

KEY = "\x03"
_CONTROL_CHARACTERS = 6
"""Where termios keeps them among the attributes of a terminal."""


def bind_interrupt_key() -> bool:
    """Make Ctrl-C, as a key, drop the line and hand in `KEY` instead; False: no GNU readline."""
    try:
        import readline
    except ImportError:
        return False
    if "libedit" in (readline.__doc__ or ""):
        return False
    # End of the line, drop it all, the key itself, Enter; it works inside a search as well.
    readline.parse_and_bind(r'"\C-c": "\C-e\C-u\C-v\C-c\C-m"')
    return True


class InterruptKey:
    """Ctrl-C at the terminal of standard input: a key while `as_key`, a signal while `as_signal`.

    Outside of both, and inside `as_signal`, it is what it was when this was made. A Ctrl-C that was
    a signal is heard, as KeyboardInterrupt, before the inside of `as_key` goes on; one that was a
    key waits among the keys until somebody reads them. So none is lost between the two.
    """

    def __init__(self) -> None:
        """Standard input must be a terminal."""
        self._fd = sys.stdin.fileno()
        self._usual: bytes = termios.tcgetattr(self._fd)[_CONTROL_CHARACTERS][termios.VINTR]
        self._none = bytes([os.fpathconf(self._fd, "PC_VDISABLE")])

    @contextmanager
    def as_key(self) -> Iterator[None]:
        """Ctrl-C is a key."""
        try:
            self._set(self._none)
            yield
        finally:
            self._set(self._usual)

    @contextmanager
    def as_signal(self) -> Iterator[None]:
        """Ctrl-C is a signal again, inside `as_key`."""
        try:
            self._set(self._usual)
            yield
        finally:
            self._set(self._none)

    def _set(self, character: bytes) -> None:
        attributes = termios.tcgetattr(self._fd)
        attributes[_CONTROL_CHARACTERS][termios.VINTR] = character
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)


def typed_line() -> str:
    """The next line of the terminal at standard input; empty at its end. Raises KeyboardInterrupt.

    Nothing may have been read through `sys.stdin` before that it still keeps.
    """
    hears, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    try:
        while True:
            ready, _, _ = select.select([sys.stdin, hears], [], [])
            if sys.stdin in ready:
                return sys.stdin.readline()
            os.read(hears, 64)  # Python has run the handler by now; one that raises ends this
    finally:
        signal.set_wakeup_fd(before)
        os.close(hears)
        os.close(wakes)
