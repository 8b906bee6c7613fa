"""What the tests of live state let other processes do: `python child.py COMMAND STATE_DIR ...`."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError
from wai_ops.state.conversations import begin_turn
from wai_ops.state.live import LiveState


def say(text: str) -> None:
    """Tell the parent."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def announce(state_dir: Path, attempt_id: str, end: str) -> None:
    """Announce an attempt and open a turn, say so, and die, wait, or wait without living."""
    with LiveState.open(state_dir, clock=SystemClock()) as live:
        with live.write():
            live.announce(attempt_id, {"attempt_id": attempt_id, "cost_state": "unknown"})
            begin_turn(
                live,
                "t:w:c",
                run_id=attempt_id,
                model="m",
                epoch=1,
                tools_json=None,
                messages_json="{}",
                now=SystemClock().now(),
            )
        say("announced")
        if end == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdin.read()


def open_only(state_dir: Path) -> None:
    """Open live state as soon as standard input ends, and show what it is."""
    say("ready")
    sys.stdin.read()
    with LiveState.open(state_dir, clock=SystemClock()) as live:
        say(f"{live.outbox_id} {live.affinity_secret.hex()}")


def append(state_dir: Path, name: str, count: str) -> None:
    """Append numbered facts, each in its own transaction."""
    with LiveState.open(state_dir, clock=SystemClock()) as live:
        say("ready")
        sys.stdin.readline()
        for number in range(int(count)):
            with live.write():
                live.append("test", {"writer": name, "number": number})


def fill(state_dir: Path, limit: str) -> None:
    """Append until a file may not grow further; print the last fact that was acknowledged."""
    with LiveState.open(state_dir, clock=SystemClock()) as live:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        number = 0
        try:
            while True:
                with live.write():
                    live.append("test", {"number": number, "padding": "x" * 4096})
                say(str(number))
                number += 1
        except DataError as error:
            say(f"DataError: {error.message} | {error.hint}")


def as_nobody(state_dir: Path, command: str) -> None:
    """Give up all rights, then open and write; print the one error that comes of it."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    try:
        if command == "exists":
            LiveState.exists(state_dir)
            return
        with LiveState.open(state_dir, clock=SystemClock()) as live:
            if command == "write":
                with live.write():
                    live.append("test", {})
        say("done")
    except DataError as error:
        say(f"DataError: {error.message} | {error.hint}")


COMMANDS: dict[str, Callable[..., None]] = {
    "announce": announce,
    "open": open_only,
    "append": append,
    "fill": fill,
    "as-nobody": as_nobody,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
