"""Where the rows of one pull wait for their commit: in memory, else in a folder of its own.

The folder lies in the scratch folder, whose files every command may remove, but not its folders. It
is locked by the pull that it belongs to, so that the next one can tell what a killed pull left.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import scratch_dir
from wai_ops.observe.ledger.progress import Progress, ignore_progress

_PREFIX = "pull-"
_LOCK = "lock"
_DESCRIPTORS = Path("/proc/self/fd")


@contextmanager
def spool_folder(
    state_dir: Path, clock: Clock, progress: Progress = ignore_progress
) -> Iterator[Path]:
    """Make a folder of our own; remove those of dead pulls. Raises DataError, OSError."""
    scratch = scratch_dir(state_dir)
    folder = scratch / f"{_PREFIX}{uuid4().hex}"
    own = FileLock(folder / _LOCK, mode=0o600)
    # Under the ledger's lock nobody takes a folder for dead that is about to be locked.
    with ledger_lock(state_dir, clock, progress=progress):
        scratch.mkdir(mode=0o700, exist_ok=True)
        for other in scratch.glob(f"{_PREFIX}*"):
            _remove_dead(other)
        folder.mkdir(mode=0o700)
        own.acquire(blocking=False)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        own.release()


@contextmanager
def spool_file(folder: Path) -> Iterator[Path]:
    """A file to hand rows over in. Where the system can, it is in memory: no disk sees them.

    Rows are redacted on their way into the ledger, so before that they should be nowhere else.
    """
    if not hasattr(os, "memfd_create") or not _DESCRIPTORS.is_dir():
        yield folder / "rows.ndjson"
        return
    descriptor = os.memfd_create("wai-rows")
    try:
        yield _DESCRIPTORS / str(descriptor)
    finally:
        os.close(descriptor)


def _remove_dead(folder: Path) -> None:
    lock = FileLock(folder / _LOCK, mode=0o600)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
