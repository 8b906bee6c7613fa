"""One process at a time in the ledger: a lock file, and beside it a note of who holds it.

The lock is the operating system's, so it goes when its holder dies, however it dies. The note is
only for messages: it may be older than the lock, and nothing is decided by it.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from wai_ops.core.clock import Clock, to_utc_text
from wai_ops.core.errors import DataError
from wai_ops.core.text import one_line
from wai_ops.observe.ledger.progress import Progress, Step, ignore_progress

PATIENCE_S = 60.0
"""How long a command waits for another one; a fold of 100,000 rows takes a few seconds."""
_SAY_SO_AFTER_S = 0.5
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """Who took the lock last: process id, command and time (UTC text)."""

    pid: int
    command: str
    since: str

    def describe(self) -> str:
        """Words for a message."""
        return f"{self.command!r} (process {self.pid}, since {self.since})"


def read_holder(state_dir: Path) -> Holder | None:
    """Read the note; None when there is none or it makes no sense."""
    try:
        values = json.loads(_note_path(state_dir).read_text("utf-8"))
        return Holder(int(values["pid"]), one_line(values["command"]), one_line(values["since"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


@contextmanager
def ledger_lock(
    state_dir: Path,
    clock: Clock,
    *,
    progress: Progress = ignore_progress,
    patience_s: float = PATIENCE_S,
) -> Iterator[None]:
    """Hold the ledger. Raises DataError that names the holder when it is not free in time."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(lock_path(state_dir), mode=0o600)
        _acquire(lock, state_dir, clock, progress, patience_s)
    except OSError as error:
        raise DataError(
            f"cannot write to the state folder {state_dir}: {error.strerror or error}",
            hint="make it writable, or set WAI_STATE_DIR to another folder",
        ) from error
    try:
        yield
    finally:
        _note_path(state_dir).unlink(missing_ok=True)
        lock.release()


def _acquire(
    lock: FileLock, state_dir: Path, clock: Clock, progress: Progress, patience_s: float
) -> None:
    started = clock.monotonic()
    said_so = False
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waited = clock.monotonic() - started
        else:
            _write_note(state_dir, clock)
            return
        holder = read_holder(state_dir)
        who = "another process" if holder is None else holder.describe()
        if waited >= patience_s:
            raise DataError(
                f"the ledger is still in use by {who} after {patience_s:.0f} s",
                hint="wait for it to finish, or end that process; nothing was changed",
            )
        if waited >= _SAY_SO_AFTER_S and not said_so:
            said_so = True
            progress(Step.WAITING, detail=f"waiting for the ledger, in use by {who}")
        clock.sleep(_POLL_S)


def _write_note(state_dir: Path, clock: Clock) -> None:
    words = [word for word in sys.argv[1:3] if word.replace("-", "").isalnum()]
    note = {
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).stem.replace("__main__", "wai"), *words]),
        "since": to_utc_text(clock.now()),
    }
    with suppress(OSError):  # on a full disk the note is missing, and the lock holds all the same
        _note_path(state_dir).write_text(json.dumps(note) + "\n", "utf-8")


def lock_path(state_dir: Path) -> Path:
    """The file that the operating system locks; it holds nothing."""
    return state_dir / "ledger.lock"


def _note_path(state_dir: Path) -> Path:
    return state_dir / "ledger.holder.json"
