"""A real interactive shell on a pseudo-terminal: what a person gets by pressing TAB."""

import os
import pty
import re
import select
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

DEADLINE_S = 30
_END = b"\x02"
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")

_SHOW = "wai() {{ printf '<%s>' \"$@\"; printf '\\2\\n'; }}; source '{script}'; printf '\\2\\n'\n"
_START = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        f"bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; {_SHOW}",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        (
            "unsetopt prompt_sp auto_remove_slash; PS1=; "
            f"autoload -Uz compinit; compinit -u -D; {_SHOW}"
        ),
    ),
}


def require_shell(name: str) -> str:
    """The shell's path. Where it is missing the test is skipped, but not in CI."""
    path = shutil.which(name)
    if path is None:
        assert not os.environ.get("CI"), f"{name} must be installed in CI: see .ci/run"
        pytest.skip(f"{name} is not installed")
    return path


class InteractiveShell:
    """One shell whose `wai` prints the words it was called with."""

    def __init__(self, shell: str, script: Path, *, cwd: Path, env: dict[str, str]) -> None:
        argv, setup = _START[shell]
        path = require_shell(shell)
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(cwd)
            os.execve(path, argv, env)
        self._write(setup.format(script=script))
        self._read_past_marker()

    def words_after_tab(self, line: str) -> list[str]:
        """Type the line, press TAB, then Enter; return the words that `wai` was called with."""
        self._write(line + "\t\n")
        output = self._read_past_marker()
        return [word.decode() for word in re.findall(rb"<([^<>]*)>", output)]

    def _write(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def _read_past_marker(self) -> bytes:
        """Read up to the byte that only the shell's own printf can write, never its echo."""
        output = b""
        deadline = time.monotonic() + DEADLINE_S
        while _END not in output:
            ready, _, _ = select.select([self._fd], [], [], deadline - time.monotonic())
            assert ready, f"the shell went quiet after {output!r}"
            output += os.read(self._fd, 4096)
        return _ANSI.sub(b"", output.rpartition(_END)[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)  # the terminal goes away, and the shell with it
        os.waitpid(self._pid, 0)
