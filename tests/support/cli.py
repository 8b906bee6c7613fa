"""`wai` in a real process: arguments in; exit code, stdout and stderr out."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from support import shifted_wai


@dataclass
class Ran:
    """What one call left behind."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass
class Wai:
    """Calls `python -m wai_ops` in a folder, with an environment of its own."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    shift: timedelta | None = None
    """How far the process's clock is moved, where windows must not be cut by a midnight."""

    def __call__(self, *arguments: str, stdin: str | bytes = b"", timeout: float = 120) -> Ran:
        """Run to the end and return exit code and decoded output."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.command(*arguments),
            input=data,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=timeout,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start without waiting."""
        settings: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.folder,
            "env": self.environment(),
        }
        return subprocess.Popen(self.command(*arguments), **(settings | options))

    def command(self, *arguments: str) -> list[str]:
        """The process's argument vector."""
        wai = ["-m", "wai_ops"] if self.shift is None else [str(shifted_wai.SCRIPT)]
        return [sys.executable, *wai, *arguments]

    def environment(self) -> dict[str, str]:
        """The process's whole environment. That our own tests run in CI is not the user's CI."""
        ours = {name: value for name, value in os.environ.items() if name != "CI"}
        moved = {} if self.shift is None else shifted_wai.shifted(self.shift)
        return {**ours, **moved, **self.environ}
