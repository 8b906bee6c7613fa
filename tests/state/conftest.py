"""Other processes for the tests of live state."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.facts import ManualClock
from wai_ops.state.live import LiveState

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state folder that does not exist yet."""
    return tmp_path / "somewhere" / ".wai"


@pytest.fixture
def live(state_dir: Path) -> Iterator[LiveState]:
    """Live state in that folder, open."""
    with LiveState.open(state_dir, clock=ManualClock()) as opened:
        yield opened


@pytest.fixture
def start(state_dir: Path) -> Iterator[Start]:
    """Start `child.py` with a command on the state folder; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(command: str, *arguments: str) -> "subprocess.Popen[str]":
        script = Path(__file__).with_name("child.py")
        process = subprocess.Popen(
            [sys.executable, str(script), command, str(state_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
