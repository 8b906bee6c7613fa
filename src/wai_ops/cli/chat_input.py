"""From typed lines to messages: several lines make one message where they say so.

A line that ends with a backslash goes on in the next one. A line that begins with three quotes or
three backticks opens a block, which ends with a line that ends with the same three; the quotes are
left out, the backticks stay, because they mean code to the model as well.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from wai_ops.cli.chat_history import forget_last_line
from wai_ops.cli.keyboard import KEY, InterruptKey, bind_interrupt_key
from wai_ops.core.errors import UsageError

FENCES = ('"""', "```")
MAX_CHARS = 4 * 1024 * 1024


class Composer:
    """Puts lines together. `feed` returns a message once it is whole."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lines: list[str] = []
        self._fence = ""
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether more lines are needed."""
        return bool(self._lines or self._fence)

    def feed(self, line: str) -> str | None:
        """Take a line without its end; None: the message goes on. Raises UsageError."""
        self._size += len(line) + 1
        if self._size > MAX_CHARS:
            self.clear()
            raise UsageError(f"the message is longer than {MAX_CHARS} characters")
        if self._fence:
            return self._inside(line)
        fence = next((each for each in FENCES if line.lstrip().startswith(each)), "")
        if fence and not self._lines:
            return self._opened(line, fence)
        if line.endswith("\\"):
            self._lines.append(line[:-1])
            return None
        self._lines.append(line)
        return self._taken()

    def flush(self) -> str | None:
        """The rest, when no line comes any more."""
        return self._taken() if self.is_open else None

    def clear(self) -> None:
        """Forget what was not finished."""
        self._lines, self._fence, self._size = [], "", 0

    def _opened(self, line: str, fence: str) -> str | None:
        rest = line.lstrip().removeprefix(fence)
        if rest.rstrip().endswith(fence):  # opened and closed on one line
            self._lines.append(line if fence == "```" else rest.rstrip().removesuffix(fence))
            return self._taken()
        self._fence = fence
        if fence == "```" or rest:
            self._lines.append(line if fence == "```" else rest)
        return None

    def _inside(self, line: str) -> str | None:
        fence = self._fence
        if not line.rstrip().endswith(fence):
            self._lines.append(line)
            return None
        last = line if fence == "```" else line.rstrip().removesuffix(fence)
        if last:
            self._lines.append(last)
        return self._taken()

    def _taken(self) -> str:
        message = "\n".join(self._lines)
        self.clear()
        return message


class Lines(Protocol):
    """Where lines come from."""

    is_terminal: bool

    def read(self, *, goes_on: bool) -> str | None:
        """The next line without its end; None: there is none. Raises KeyboardInterrupt."""
        ...

    def typing(self) -> AbstractContextManager[None]:
        """Around everything that reads."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Around what is done with a line, inside `typing`."""
        ...


class PipedLines:
    """Lines of standard input that no person types."""

    is_terminal = False

    def typing(self) -> AbstractContextManager[None]:
        """Nothing: no person types."""
        return nullcontext()

    def working(self) -> AbstractContextManager[None]:
        """Nothing: a signal is a signal."""
        return nullcontext()

    def read(self, *, goes_on: bool) -> str | None:
        """The next line. Raises UsageError for what is not UTF-8."""
        del goes_on
        data = sys.stdin.buffer.readline(MAX_CHARS + 1)
        if not data:
            return None
        if len(data) > MAX_CHARS:
            raise UsageError(f"a line is longer than {MAX_CHARS} bytes")
        try:
            return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is not UTF-8 (byte {error.start})") from error


class TypedLines:
    """Lines that a person types, with the editing of readline. `prompt`: asked with, by state."""

    is_terminal = True

    def __init__(self, prompt: Callable[[bool], str]) -> None:
        """`prompt` is told whether a message goes on."""
        self._prompt = prompt
        # Without a line editor input() reads plainly, and Ctrl-C stays a signal.
        has_editor = sys.stdin.isatty() and sys.stdout.isatty() and bind_interrupt_key()
        self._interrupt = InterruptKey() if has_editor else None

    def typing(self) -> AbstractContextManager[None]:
        """Ctrl-C is a key: at a prompt, and kept for the next one between two."""
        return self._interrupt.as_key() if self._interrupt else nullcontext()

    def working(self) -> AbstractContextManager[None]:
        """Ctrl-C stops the work."""
        return self._interrupt.as_signal() if self._interrupt else nullcontext()

    def read(self, *, goes_on: bool) -> str | None:
        """The next line. Raises UsageError for what is not UTF-8."""
        try:
            line = input(self._prompt(goes_on))
        except EOFError:
            return None
        except UnicodeDecodeError as error:
            raise UsageError(f"what was typed is not UTF-8 (byte {error.start})") from error
        if line == KEY:
            forget_last_line()
            raise KeyboardInterrupt
        # Bytes of a broken paste come as half surrogates, which no request can carry.
        return line.encode("utf-8", "replace").decode("utf-8")
