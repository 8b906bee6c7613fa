"""Programs that tools start: their environment, their folder, their limits, their end."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wai_ops.config.child_env import child_environment
from wai_ops.core.secret_names import is_secret_name
from wai_ops.runtime.tools import supervise
from wai_ops.runtime.tools.outcome import UNAVAILABLE, ToolFailed, ToolProblem

_MEGABYTE = 1024 * 1024
_OPEN_FILES = 256
_ENDING_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use."""

    cpu_s: int | None
    memory_mb: int
    file_mb: int
    max_processes: int

    @property
    def rlimits(self) -> dict[str, int]:
        """By the names of the `resource` module."""
        found = {
            "RLIMIT_AS": self.memory_mb * _MEGABYTE,
            "RLIMIT_FSIZE": self.file_mb * _MEGABYTE,
            "RLIMIT_NPROC": self.max_processes,
            "RLIMIT_NOFILE": _OPEN_FILES,
            "RLIMIT_CORE": 0,
        }
        if self.cpu_s is not None:
            found["RLIMIT_CPU"] = self.cpu_s
        return found


@dataclass(slots=True)
class Child:
    """A program that runs under its supervisor."""

    process: subprocess.Popen[bytes]
    status: IO[bytes]
    """One line of JSON about its end, then the end of the pipe."""

    def stop(self) -> None:
        """End it and all that it started; return when that is done."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_ENDING_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ending(self) -> Mapping[str, Any]:
        """How it ended, once it has: `exit`, `signal`, `failed` or `stopped`."""
        line = self.status.readline()
        try:
            said = json.loads(line)
        except ValueError:
            said = None  # the supervisor was killed before it could say
        return said if isinstance(said, dict) else {"stopped": True}

    def close(self) -> None:
        """Stop it and let go of its pipes."""
        try:
            self.stop()
        finally:
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr, self.status):
                if pipe is not None:
                    pipe.close()


def not_started(detail: str) -> ToolFailed:
    """What never began."""
    return ToolFailed(ToolProblem.NOT_STARTED, UNAVAILABLE, sent=False, detail=detail)


def environment_for(
    names: Sequence[str], environ: Mapping[str, str], scratch: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """The environment of a program, and the secrets in it by name.

    Raises ToolFailed for a variable that is not set: a tool that runs without what it was promised
    would fail in its own words.
    """
    found = child_environment(environ) | {"HOME": str(scratch), "TMPDIR": str(scratch)}
    secrets: dict[str, str] = {}
    for name in names:
        if name not in environ:
            raise not_started(f"the variable {name} is not set")
        found[name] = environ[name]
        if is_secret_name(name):
            secrets[name] = environ[name]
    return found, secrets


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A fresh folder of mode 0700 that is gone afterwards, whatever was put into it."""
    folder = Path(tempfile.mkdtemp(prefix="wai-tool-"))
    try:
        yield folder
    finally:
        remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder; what somebody made unreadable in it is made readable first."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    folder.chmod(stat.S_IRWXU)
    for parent, names, _ in os.walk(folder):  # top down, and links are not followed
        for name in names:
            inner = Path(parent, name)
            if not inner.is_symlink():
                inner.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    scratch: Path,
    limits: Limits,
    stdin: IO[bytes] | int,
    keeps_stderr: bool = True,
) -> Child:
    """Start a program under its supervisor, with pipes for what it says."""
    reading, writing = os.pipe()
    told = json.dumps({"parent": os.getpid(), "scratch": str(scratch), "rlimits": limits.rlimits})
    launcher = [sys.executable, "-I", "-S", str(Path(supervise.__file__)), str(writing), told]
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list, no shell
            [*launcher, *argv],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keeps_stderr else subprocess.DEVNULL,
            cwd=scratch,
            env=dict(env),
            pass_fds=(writing,),
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise not_started(f"the program cannot be started: {error.strerror}") from error
    finally:
        os.close(writing)
    return Child(process, os.fdopen(reading, "rb", buffering=0))


def program(argv: Sequence[str], root: Path) -> list[str]:
    """The argument list with the program's place: a relative path is one from wai.yaml's folder."""
    first = argv[0]
    if "/" in first and not first.startswith("/"):
        first = str(root / first)
    return [first, *argv[1:]]
