"""A program on a pseudo-terminal, as a person sits in front of it: type, read, look."""

import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import ioctl
from pathlib import Path

DEADLINE_S = 60.0
"""However busy the machine is; a test that waits so long has failed."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    """One program and what it has shown so far."""

    def __init__(self, pid: int, descriptor: int) -> None:
        """Use `on_terminal`."""
        self._pid = pid
        self._fd = descriptor
        self.raw = ""
        self._seen = 0

    def type(self, text: str) -> None:
        """Press keys; `\\n` is Enter, `\\x03` Ctrl-C, `\\x04` Ctrl-D."""
        os.write(self._fd, text.replace("\n", "\r").encode())

    def read_until(self, wanted: str) -> str:
        """Wait until this is on the screen, after what was read before; return what came."""
        deadline = time.monotonic() + DEADLINE_S
        while wanted not in self.shown[self._seen :]:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._fd], [], [], max(0.0, left))
            if not ready or not self._take():
                raise AssertionError(f"{wanted!r} never came: {self.shown[self._seen :]!r}")
        start = self._seen
        self._seen = self.shown.index(wanted, start) + len(wanted)
        return self.shown[start : self._seen]

    @property
    def shown(self) -> str:
        """Everything so far, without colours and cursor keys."""
        return _ANSI.sub("", self.raw)

    @property
    def interrupt_key(self) -> str:
        """What the terminal takes for an interrupt: Ctrl-C, unless somebody changed it."""
        character: bytes = termios.tcgetattr(self._fd)[6][termios.VINTR]
        return character.decode()

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        while self._take():
            pass
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End the program if it has not ended."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._fd)

    def _take(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux says so when the other side has closed
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)


@contextmanager
def on_terminal(
    command: Sequence[str], *, cwd: Path, env: dict[str, str], columns: int = 80
) -> Iterator[Terminal]:
    """Start a program on a terminal of its own."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(command[0], list(command), env)
    ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    terminal = Terminal(pid, descriptor)
    try:
        yield terminal
    finally:
        terminal.close()
