"""A command tool: one program, started for one call, in a folder of its own.

Arguments are elements of the argument list or JSON on standard input; no shell reads them. What it
says is read up to a limit and no further, until a deadline and no longer; then it and everything
that it started is killed. Its network is its own affair: the outbound gate is for HTTP tools.
"""

import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from wai_ops.core.clock import Clock
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.child import (
    Child,
    Limits,
    environment_for,
    not_started,
    program,
    scratch_folder,
    start,
)
from wai_ops.runtime.tools.model import CommandTool, Stdin
from wai_ops.runtime.tools.outcome import Raw, ToolFailed, ToolProblem
from wai_ops.runtime.tools.template import TemplateError, fill_argv

_CHUNK = 64 * 1024
_STDERR_KEPT = 4096
_STDERR_SHOWN = 300


def run_command(
    tool: CommandTool,
    arguments: Mapping[str, Any],
    *,
    root: Path,
    environ: Mapping[str, str],
    clock: Clock,
    timeout_s: float,
    max_bytes: int,
    extra_env: Mapping[str, str] | None = None,
) -> Raw:
    """Run the program to its end. Raises ToolFailed."""
    try:
        argv = program(fill_argv(tool.argv, arguments, root=str(root)), root)
    except TemplateError as error:
        raise ToolFailed(ToolProblem.INVALID_ARGUMENTS, str(error), sent=False) from error
    limits = Limits(
        cpu_s=tool.cpu_s,
        memory_mb=tool.memory_mb,
        file_mb=tool.file_mb,
        max_processes=tool.max_processes,
    )
    deadline = clock.monotonic() + timeout_s
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        env, _ = environment_for(tool.env, environ, scratch)
        stdin: IO[bytes] | int = subprocess.DEVNULL
        if tool.stdin is Stdin.ARGUMENTS:
            # A file, not a pipe: a program that never reads must not block the one that writes.
            stdin = stack.enter_context(tempfile.TemporaryFile())
            stdin.write(canonical_json(arguments).encode() + b"\n")
            stdin.seek(0)
        child = start(
            argv, env=env | dict(extra_env or {}), scratch=scratch, limits=limits, stdin=stdin
        )
        stack.callback(child.close)
        said = _Said(child, max_bytes)
        said.read_until(deadline, clock)
        return _judged(said, timeout_s, max_bytes)


class _Said:
    """Reads what a program says, while it runs."""

    def __init__(self, child: Child, max_bytes: int) -> None:
        self.child = child
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.is_late = False
        self.is_too_much = False
        self.ending: Mapping[str, Any] = {}
        self._max_bytes = max_bytes

    def read_until(self, deadline: float, clock: Clock) -> None:
        """Read to the end, to the limit or to the deadline, whichever is first."""
        child = self.child
        assert child.process.stdout is not None
        assert child.process.stderr is not None
        with selectors.DefaultSelector() as selector:
            for pipe in (child.process.stdout, child.process.stderr):
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            selector.register(child.status, selectors.EVENT_READ)
            while not self.is_too_much:
                left = deadline - clock.monotonic()
                if left <= 0:
                    self.is_late = True
                    break
                ready = [key.fileobj for key, _ in selector.select(left)]
                for pipe in (child.process.stdout, child.process.stderr):
                    if pipe in ready and not self._take(pipe):
                        selector.unregister(pipe)
                if child.status in ready:
                    break
        if not (self.is_late or self.is_too_much):
            self.ending = child.ending()
            # Nothing that could write more is left: what is in the pipes is all there is.
            while self._take(child.process.stdout) and not self.is_too_much:
                pass
            while self._take(child.process.stderr):
                pass

    def _take(self, pipe: IO[bytes]) -> bool:
        """Take what is there; false at the end, and when there is nothing."""
        try:
            piece = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        if pipe is self.child.process.stdout:
            self.stdout += piece[: self._max_bytes + 1 - len(self.stdout)]
            self.is_too_much = len(self.stdout) > self._max_bytes
        else:
            self.stderr += piece
            del self.stderr[:-_STDERR_KEPT]
        return bool(piece)


def _judged(said: _Said, timeout_s: float, max_bytes: int) -> Raw:
    raw = Raw(content=bytes(said.stdout[:max_bytes]))
    if said.is_too_much:
        raise ToolFailed(
            ToolProblem.TOO_LARGE, f"the tool wrote more than {max_bytes:,} bytes", raw=raw
        )
    if said.is_late:
        raise ToolFailed(ToolProblem.TIMEOUT, f"no end within {timeout_s:g} s", raw=raw)
    ending = said.ending
    if "failed" in ending:
        raise not_started(f"the program cannot be started: {ending['failed']}")
    if ending.get("exit") == 0:
        return raw
    raise ToolFailed(ToolProblem.FAILED, _why(ending) + _last_words(said.stderr), raw=raw)


def _why(ending: Mapping[str, Any]) -> str:
    if "exit" in ending:
        return f"exit code {ending['exit']}"
    number = ending.get("signal")
    if number is None:
        return "the program was killed"
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"killed by signal {number}"


def _last_words(stderr: bytearray) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return f": {lines[-1].strip()[:_STDERR_SHOWN]}" if lines else ""
