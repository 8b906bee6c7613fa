"""Where rows wait that nobody has redacted yet: of a pull in memory, of an import without a name.

Where the system has neither, they wait in a folder of their own. That of a pull lies in the scratch
folder, whose files every command may remove, but not its folders. It is locked by the pull that it
belongs to, so that the next one can tell what a killed pull left.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
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
    if not _is_linux():
        yield folder / "rows.ndjson"
        return
    descriptor = os.memfd_create("wai-rows")
    try:
        yield _DESCRIPTORS / str(descriptor)
    finally:
        os.close(descriptor)


def unnamed_file(folder: Path) -> tuple[Path, BinaryIO | None]:
    """A file in the folder for what is too large for memory, readable for nobody else.

    Where the system can, it has no name: what is in it is gone with the process, however that
    ends. It is there until the second is closed. Else the second is None, and it has a name.
    """
    if not _is_linux():
        path = folder / "unredacted"
        path.touch(mode=0o600, exist_ok=False)
        return path, None
    file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by the caller
    return _DESCRIPTORS / str(file.fileno()), file


def most_held() -> int:
    """How many files may be held open, and leave as many for everything else."""
    import resource  # which is wherever files can be held so

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft // 2, 1)


def _is_linux() -> bool:
    """Whether open files can be had by a path, and memory as a file."""
    return hasattr(os, "memfd_create") and _DESCRIPTORS.is_dir()


def _remove_dead(folder: Path) -> None:
    lock = FileLock(folder / _LOCK, mode=0o600)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
